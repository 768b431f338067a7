"""From a `PhantomSpec` to a CT volume with its whole truth.

The volume lies supine without tilt: columns to the left, rows to the back, slices feet to head (DICOM LPS).
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.geometry import VolumeGeometry, regular_geometry
from sarcopenia.domain.results import BodyComposition
from sarcopenia.domain.volume import ContrastPhase, CtVolume, PatientHeader, SeriesHeader
from sarcopenia.phantom.composition import count_composition
from sarcopenia.phantom.gut import bowel_of
from sarcopenia.phantom.render import BodyRenderer, Grid, scan_grid
from sarcopenia.phantom.scanner import Scanner, overlap_slices
from sarcopenia.phantom.scene import Person
from sarcopenia.phantom.spec import PhantomSpec
from sarcopenia.phantom.spine import Spine, build_spine
from sarcopenia.phantom.tissues import tissue_hu


@dataclass(frozen=True)
class Phantom:
    """A CT of a person that never lived, and everything that is true about it.

    Attributes
    ----------
    spec: what it was made from.
    volume: the CT as a scanner would deliver it.
    noise_free_hu_zyx: the same with point spread and partial volume, without noise.
    compartments_zyx: uint8 `Compartment` of every voxel centre.
    level_z_mm: patient z (LPS) of the middle of each vertebral body inside the scan, from head to feet.
    vertebral_coordinate_z: coordinate at every slice (15 = middle of L3), counted from T12 downwards.
    """

    spec: PhantomSpec
    volume: CtVolume
    noise_free_hu_zyx: NDArray[np.int16]
    compartments_zyx: NDArray[np.uint8]
    level_z_mm: dict[str, float]
    vertebral_coordinate_z: NDArray[np.float64]

    @property
    def header(self) -> SeriesHeader:
        """Header of the volume."""
        return self.volume.header

    @cached_property
    def coordinate_from_sacrum_z(self) -> NDArray[np.float64]:
        """Coordinate at every slice counted from the sacrum upwards (18 = middle of S1); differs with 4 or 6 lumbar."""
        return self.vertebral_coordinate_z + 5 - self.spec.lumbar_count

    def true_composition(self, slice_index: int) -> BodyComposition:
        """Areas of one slice by exact counting on the pixels as delivered, noise included."""
        return self._count(self.volume.hu_zyx, slice_index)

    def noise_free_composition(self, slice_index: int) -> BodyComposition:
        """Areas of one slice by exact counting without the noise."""
        return self._count(self.noise_free_hu_zyx, slice_index)

    def _count(self, hu_zyx: NDArray[np.int16], slice_index: int) -> BodyComposition:
        area = self.volume.geometry.plane(slice_index).pixel_area_mm2
        return count_composition(hu_zyx[slice_index], self.compartments_zyx[slice_index], area)


def make_phantom(spec: PhantomSpec) -> Phantom:
    """Build the CT of a phantom; deterministic for a spec."""
    person = _person(spec)
    grid = scan_grid(person)
    body, scanner = BodyRenderer.of(person, grid), Scanner.of(person, grid)
    shape = (len(grid.slice_mm), *grid.shape_yx)
    rendered, compartments = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.uint8)
    for i, z_mm in enumerate(grid.slice_mm.tolist()):
        hu, compartments[i] = body.render(z_mm)
        rendered[i] = scanner.surround(hu, compartments[i], z_mm)
    noise_free = overlap_slices(rendered, spec)
    noisy = np.stack([_as_hu(scanner.disturb(*both)) for both in zip(noise_free, compartments, strict=True)])
    coordinates = np.array([person.spine.at(z)[0] for z in grid.slice_mm.tolist()])
    return Phantom(
        spec, _volume(spec, noisy, grid), _as_hu(noise_free), compartments, _levels(person.spine, grid), coordinates
    )


def _person(spec: PhantomSpec) -> Person:
    traits = tuple(np.random.default_rng([spec.seed, 2]).normal(0, 1, 16).tolist())
    bare = Person(spec, build_spine(spec), tissue_hu(spec), traits, ())
    return replace(bare, loops=bowel_of(bare))


def _as_hu(hu: NDArray[np.floating]) -> NDArray[np.int16]:
    return np.asarray(np.clip(np.rint(hu), -1024, 3071), dtype=np.int16)


def _levels(spine: Spine, grid: Grid) -> dict[str, float]:
    low, high = grid.slice_mm[0], grid.slice_mm[-1]
    heights = {spine.label(v): float(v.centre_mm[2]) for v in spine.vertebrae}
    return {name: z + grid.patient_z_mm for name, z in heights.items() if low <= z <= high}


def _volume(spec: PhantomSpec, hu_zyx: NDArray[np.int16], grid: Grid) -> CtVolume:
    spacing = (spec.slice_spacing_mm, spec.pixel_spacing_mm, spec.pixel_spacing_mm)
    origin = (float(grid.column_mm[0]), float(grid.row_mm[0]), float(grid.slice_mm[0]) + grid.patient_z_mm)
    geometry = regular_geometry((hu_zyx.shape[0], hu_zyx.shape[1], hu_zyx.shape[2]), spacing, origin)
    digest = _digest(hu_zyx, geometry)
    uids = tuple(_uid(digest, f"slice {i}") for i in range(hu_zyx.shape[0]))
    return CtVolume(hu_zyx, geometry, _header(spec, digest), uids, digest)


def _digest(hu_zyx: NDArray[np.int16], geometry: VolumeGeometry) -> str:
    content = hashlib.sha256(np.ascontiguousarray(hu_zyx).tobytes())
    content.update(repr((geometry.slice_origins_lps_mm, geometry.spacing_mm_zyx)).encode())
    return content.hexdigest()


def _uid(digest: str, role: str) -> str:
    """Make a UUID-derived UID (DICOM PS3.5 B.2) that follows from the content."""
    return f"2.25.{int(hashlib.sha256(f'{digest} {role}'.encode()).hexdigest()[:32], 16)}"


def _header(spec: PhantomSpec, digest: str) -> SeriesHeader:
    plain = spec.phase in (ContrastPhase.NONE, ContrastPhase.UNKNOWN)
    return SeriesHeader(
        study_instance_uid=_uid(digest, "study"),
        series_instance_uid=_uid(digest, "series"),
        series_description=f"Phantom, not a patient ({spec.phase.value.replace('_', ' ')})",
        manufacturer="sarcopenia phantom",
        model_name="procedural torso",
        kvp=spec.kvp,
        convolution_kernel=f"sharpness {spec.sharpness:.1f}",
        slice_thickness_mm=spec.slice_thickness_mm,
        contrast_agent="" if plain else "simulated iodine",
        contrast_phase=spec.phase,
        body_part="ABDOMEN",
        sex=spec.sex,
        age_years=spec.age_years,
        height_m=spec.height_m,
        patient=PatientHeader(patient_id=f"PHANTOM-{spec.seed}", name="PHANTOM^Torso"),
    )
