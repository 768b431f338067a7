"""Random plausible people and scans, for training data."""

from dataclasses import replace

import numpy as np

from sarcopenia.domain.volume import ContrastPhase, Sex
from sarcopenia.phantom.spec import PhantomSpec

# Bottom and top of the covered range in vertebral coordinates, with how often it is drawn.
_RANGES = (
    ((18.6, 9.5), 0.4),  # abdomen
    ((21.0, 9.0), 0.25),  # abdomen and pelvis
    ((17.2, 6.5), 0.1),  # chest and abdomen
    ((13.6, 6.0), 0.1),  # chest only: no L3
    ((21.5, 15.8), 0.05),  # pelvis only: no L3
    ((16.8, 12.2), 0.1),  # a short block around L3
)
_PHASES = (ContrastPhase.NONE, ContrastPhase.ARTERIAL, ContrastPhase.PORTAL_VENOUS, ContrastPhase.LATE)


def random_spec(seed: int, *, grid_mm: float = 2.5, shape_yx: tuple[int, int] = (144, 192)) -> PhantomSpec:
    """Draw a person and a scan.

    ``grid_mm`` is the size of the isotropic voxels and ``shape_yx`` the image size in pixels: the defaults make a whole
    abdomen in about two seconds. Rare things (four or six lumbar vertebrae, a stub rib, scoliosis, arms beside the
    body, metal, a cut field of view) are drawn more often than in the clinic, so that a network sees enough of them.
    """
    rng = np.random.default_rng([seed, 10])
    person = _random_person(rng, PhantomSpec(seed=seed))
    bottom, top = _RANGES[rng.choice(len(_RANGES), p=[share for _, share in _RANGES])][0]
    kvp = float(rng.choice([80, 100, 120, 140], p=[0.08, 0.22, 0.6, 0.1]))
    cut = rng.random() < 0.1
    return replace(
        person,
        scan_seed=int(rng.integers(1 << 30)),
        phase=_PHASES[rng.choice(4, p=[0.35, 0.12, 0.43, 0.1])],
        kvp=kvp,
        noise_sd_hu=float(rng.gamma(3.0, 4.0) + 3),
        sharpness=float(rng.beta(2, 3)),
        slice_thickness_mm=grid_mm,
        slice_spacing_mm=grid_mm,
        pixel_spacing_mm=grid_mm,
        shape_yx=shape_yx,
        centre_offset_mm_yx=(float(rng.normal(0, 12)), float(rng.normal(0, 60 if cut else 12))),
        bottom_coordinate=bottom + float(rng.uniform(-0.5, 0.4)),
        top_coordinate=top + float(rng.uniform(-0.4, 0.5)),
        rotation_deg=float(rng.normal(0, 3)),
        arms=bool(rng.random() < 0.12),
        table=bool(rng.random() < 0.85),
    )


def _random_person(rng: np.random.Generator, start: PhantomSpec) -> PhantomSpec:
    male = bool(rng.random() < 0.5)
    age = float(np.clip(rng.normal(62, 14), 20, 92))
    wasting = float(np.clip(rng.normal(1.05 - 0.004 * (age - 50), 0.15), 0.5, 1.4))
    fat = float(rng.beta(1.8, 3.2))
    return replace(
        start,
        sex=Sex.MALE if male else Sex.FEMALE,
        age_years=round(age),
        height_m=round(float(np.clip(rng.normal(1.76 if male else 1.63, 0.075), 1.42, 2.02)), 2),
        body_scale=float(rng.normal(1.05 if male else 1.03, 0.05)),
        subcutaneous_mm=3 + 52 * fat * (0.8 if male else 1.15),
        visceral_fat=float(np.clip((3.2 if male else 2.2) * fat + rng.normal(0, 0.35), 0.05, 2.8)),
        muscle_scale=wasting * (1.05 if male else 0.9),
        muscle_hu=float(rng.normal(51 - 0.2 * (age - 50), 5)),
        fat_infiltration=float(np.clip(0.02 + 0.003 * (age - 30) * rng.gamma(2, 0.5), 0.01, 0.45)),
        lumbar_count=int(rng.choice([4, 5, 6], p=[0.06, 0.86, 0.08])),
        last_rib_scale=float(rng.choice([1.0, 0.6, 0.3], p=[0.75, 0.13, 0.12])) * float(rng.normal(1, 0.08)),
        lordosis_deg=float(np.clip(rng.normal(46, 10), 15, 75)),
        scoliosis_deg=float(rng.normal(0, 15) if rng.random() < 0.25 else rng.normal(0, 3)),
        bone_hu=float(np.clip(rng.normal(190 - 1.3 * (age - 40), 30), 50, 290)),
        spine_metal=bool(rng.random() < 0.04),
    )
