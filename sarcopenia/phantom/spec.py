"""What a phantom is made from: one frozen record of the person, the scan and the pose.

Everything that is not named in the record (shape of the organs, course of the bowel, texture) follows from ``seed``:
two records with the same seed show the same person, so a follow-up changes only what changed.
"""

from dataclasses import dataclass

from sarcopenia.domain.volume import ContrastPhase, Sex


@dataclass(frozen=True)
class PhantomSpec:
    """A procedural torso CT.

    Attributes
    ----------
    seed: the person's anatomy. scan_seed: noise, bowel filling and table position of this scan.
    sex, age_years, height_m: written into the header; height and sex also scale the skeleton.
    body_scale: size of the trunk relative to a person of that height and sex.
    subcutaneous_mm: thickness of the subcutaneous fat at the flank at L3.
    visceral_fat: 0 (hardly any) .. 2.5 (very obese); about 0.4 is lean.
    muscle_scale: cross-section of all muscles, 1 = as expected for sex and size, < 1 wasting, > 1 hypertrophy.
    muscle_hu: HU of pure muscle without contrast at 120 kV.
    fat_infiltration: share of the muscle's volume that is streaked by fat, 0..0.5.
    lumbar_count: lumbar-type vertebrae, 4..6. last_rib_scale: length of the last rib, 1 = usual, 0.3 = stub.
    lordosis_deg: angle between L1 and S1. scoliosis_deg: angle of a lumbar curve, positive to the left.
    bone_hu: HU of trabecular bone at 120 kV. spine_metal: pedicle screws and rods at L4 and L5.
    phase, kvp: contrast phase and tube voltage, kV.
    noise_sd_hu: standard deviation of the noise in the middle of the body. sharpness: 0 smooth .. 1 sharp kernel.
    slice_thickness_mm, slice_spacing_mm, pixel_spacing_mm, shape_yx: sampling of the scan.
    centre_offset_mm_yx: shift of the image centre against the body centre; may cut the body.
    bottom_coordinate, top_coordinate: covered range in vertebral coordinates (10 = T10 .. 15 = L3 .. 18 = S1).
    rotation_deg: body turned about its axis. arms: arms beside the body. table: couch in the image.
    """

    seed: int
    scan_seed: int = 0
    sex: Sex = Sex.MALE
    age_years: float = 60.0
    height_m: float = 1.75
    body_scale: float = 1.0
    subcutaneous_mm: float = 15.0
    visceral_fat: float = 0.7
    muscle_scale: float = 1.0
    muscle_hu: float = 52.0
    fat_infiltration: float = 0.08
    lumbar_count: int = 5
    last_rib_scale: float = 1.0
    lordosis_deg: float = 48.0
    scoliosis_deg: float = 0.0
    bone_hu: float = 160.0
    spine_metal: bool = False
    phase: ContrastPhase = ContrastPhase.PORTAL_VENOUS
    kvp: float = 120.0
    noise_sd_hu: float = 12.0
    sharpness: float = 0.4
    slice_thickness_mm: float = 3.0
    slice_spacing_mm: float = 3.0
    pixel_spacing_mm: float = 0.8
    shape_yx: tuple[int, int] = (512, 512)
    centre_offset_mm_yx: tuple[float, float] = (0.0, 0.0)
    bottom_coordinate: float = 18.5
    top_coordinate: float = 9.6
    rotation_deg: float = 0.0
    arms: bool = False
    table: bool = True

    def __post_init__(self) -> None:
        if not 4 <= self.lumbar_count <= 6:
            raise ValueError("lumbar_count must be 4, 5 or 6")
        if self.bottom_coordinate <= self.top_coordinate:
            raise ValueError("bottom_coordinate must be larger than top_coordinate (coordinates count downwards)")
        if min(self.slice_spacing_mm, self.pixel_spacing_mm, self.muscle_scale, self.height_m) <= 0:
            raise ValueError("spacings, muscle_scale and height_m must be positive")

    @property
    def skeleton_scale(self) -> float:
        """Size of the skeleton relative to a man of 1.75 m."""
        return (self.height_m / 1.75) * (1.0 if self.sex is Sex.MALE else 0.97)
