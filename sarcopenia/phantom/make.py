"""From a `PhantomSpec` to a CT volume with its whole truth.

The volume lies supine without tilt: columns to the left, rows to the back, slices feet to head (DICOM LPS).
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.geometry import VolumeGeometry, regular_geometry
from sarcopenia.domain.results import BodyComposition, Compartment
from sarcopenia.domain.volume import ContrastPhase, CtVolume, PatientHeader, SeriesHeader
from sarcopenia.phantom.canvas import Canvas, Patch
from sarcopenia.phantom.composition import count_composition
from sarcopenia.phantom.fields import Array, GriddedField
from sarcopenia.phantom.muscles import PSOAS, QUADRATUS, paint_back_muscles, paint_paired
from sarcopenia.phantom.organs import bowel_of, paint_organs
from sarcopenia.phantom.pelvis import Pelvis, pelvis_at
from sarcopenia.phantom.scanner import NoiseFilter, blur, metal_streaks, noise_profile, paint_arms, paint_couch
from sarcopenia.phantom.scene import Person, Scene, Textures, gridded, person_fields, textures_at
from sarcopenia.phantom.skeleton import paint_ribs, paint_spine, paint_wings
from sarcopenia.phantom.spec import PhantomSpec
from sarcopenia.phantom.spine import Spine, build_spine
from sarcopenia.phantom.tissues import AIR_HU, tissue_hu
from sarcopenia.phantom.trunk import (
    body_middle_y_mm,
    cavity_outlines,
    paint_cavity,
    paint_skin_and_fat,
    paint_wall,
    skin_distance,
    wall_distance,
)
from sarcopenia.phantom.vessels import paint_vessels

_WARP_MM = 3.5
_REACH_MM = 12.0


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


@dataclass(frozen=True)
class _Grid:
    """Sampling of a scan in anatomical mm, and the patient z of anatomical height 0."""

    row_mm: NDArray[np.float64]
    column_mm: NDArray[np.float64]
    slice_mm: NDArray[np.float64]
    patient_z_mm: float


def make_phantom(spec: PhantomSpec) -> Phantom:
    """Build the CT of a phantom; deterministic for a spec."""
    person = _person(spec)
    grid = _grid(person)
    fields = gridded(person_fields(spec.seed), grid.row_mm, grid.column_mm)
    slices = [_render(person, grid, fields, float(z)) for z in grid.slice_mm]
    noise_free = np.stack([hu for hu, _ in slices])
    compartments = np.stack([compartment for _, compartment in slices])
    hu = _with_noise(noise_free, compartments, spec)
    coordinates = np.array([person.spine.at(float(z))[0] for z in grid.slice_mm])
    return Phantom(
        spec, _volume(spec, hu, grid), _as_hu(noise_free), compartments, _levels(person.spine, grid), coordinates
    )


def _person(spec: PhantomSpec) -> Person:
    traits = np.random.default_rng([spec.seed, 2]).normal(0, 1, 16)
    bare = Person(spec, build_spine(spec), tissue_hu(spec), traits, ())
    return replace(bare, loops=bowel_of(bare))


def _grid(person: Person) -> _Grid:
    spec, spine = person.spec, person.spine
    rng = np.random.default_rng([spec.seed, spec.scan_seed, 3])
    rows, columns = spec.shape_yx
    row_mm = _centred(rows, spec.pixel_spacing_mm) + body_middle_y_mm(person) + spec.centre_offset_mm_yx[0]
    column_mm = _centred(columns, spec.pixel_spacing_mm) + spec.centre_offset_mm_yx[1]
    bottom, top = spine.z_of(spec.bottom_coordinate), spine.z_of(spec.top_coordinate)
    phase = float(rng.uniform(0, spec.slice_spacing_mm))
    slice_mm = np.arange(bottom + phase, top + 1e-6, spec.slice_spacing_mm)
    return _Grid(row_mm, column_mm, slice_mm, float(np.round(rng.uniform(-700, -300), 1)))


def _centred(count: int, spacing_mm: float) -> NDArray[np.float64]:
    return np.asarray((np.arange(count) - (count - 1) / 2) * spacing_mm, dtype=np.float64)


def _render(
    person: Person, grid: _Grid, fields: Textures[GriddedField], z_mm: float
) -> tuple[Array, NDArray[np.uint8]]:
    """Noise-free HU and compartments of one slice; a thick slice is the mean of thin ones."""
    spec = person.spec
    count = 1 if spec.slice_thickness_mm <= 3.5 else 3
    offsets = (np.arange(count) - (count - 1) / 2) * spec.slice_thickness_mm / count
    scenes = [_scene(person, grid, fields, z_mm + float(offset)) for offset in offsets]
    for scene in scenes:
        _paint(scene)
    hu = np.asarray(np.mean([scene.canvas.whole.hu_yx for scene in scenes], axis=0, dtype=np.float32))
    return blur(hu, spec), scenes[count // 2].canvas.whole.compartment_yx


def _scene(person: Person, grid: _Grid, fields: Textures[GriddedField], z_mm: float) -> Scene:
    texture = textures_at(fields, z_mm)
    angle = np.radians(person.spec.rotation_deg)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x, y = np.meshgrid(grid.column_mm.astype(np.float32), grid.row_mm.astype(np.float32))
    hu = np.full(x.shape, AIR_HU, dtype=np.float32)
    compartment = np.zeros(x.shape, dtype=np.uint8)
    body_x = c * x + s * y + _WARP_MM * texture.warp_x
    body_y = c * y - s * x + _WARP_MM * texture.warp_y
    pixel = person.spec.pixel_spacing_mm
    whole = Patch(body_x, body_y, hu, compartment, pixel, (slice(None), slice(None)))
    canvas = Canvas(whole, grid.row_mm, grid.column_mm, person.spec.rotation_deg, _REACH_MM)
    coordinate, station, axis_x, axis_y = person.spine.at(z_mm)
    return Scene(person, canvas, z_mm, coordinate, station, axis_x, axis_y, person.back_y_mm(z_mm), texture)


def _paint(scene: Scene) -> None:
    """Paint one slice from the skin inwards; what comes later lies on top."""
    pelvis = pelvis_at(scene)
    outlines = cavity_outlines(scene, pelvis)
    wall = wall_distance(scene, outlines, pelvis)
    skin = skin_distance(scene, outlines, wall)
    paint_skin_and_fat(scene, skin)
    paint_wall(scene, outlines, np.maximum(wall, skin + 3))
    if pelvis is not None:
        _paint_gluteals(scene, pelvis, skin)
    paint_cavity(scene, outlines)
    paint_organs(scene, outlines)
    paint_paired(scene, PSOAS)
    paint_paired(scene, QUADRATUS)
    paint_back_muscles(scene)
    paint_ribs(scene, outlines)
    if pelvis is not None:
        scene.muscle(scene.canvas.whole, pelvis.iliacus_yx, 0.5)
        paint_wings(scene, pelvis)
    paint_vessels(scene)
    paint_spine(scene)
    _paint_surroundings(scene, skin)


def _paint_gluteals(scene: Scene, pelvis: Pelvis, skin_yx: Array) -> None:
    """Gluteal muscles with the fat plane between them."""
    whole = scene.canvas.whole
    scene.muscle(whole, np.maximum(pelvis.gluteal_yx, skin_yx + 4), 1.2)
    plane = np.clip(1.5 - pelvis.gluteal_septum_yx / 0.9, 0, 0.8) * (pelvis.gluteal_yx < -1)
    whole.blend(plane, scene.hu.fat)


def _paint_surroundings(scene: Scene, skin_yx: Array) -> None:
    spec, whole = scene.person.spec, scene.canvas.whole
    x, y = np.meshgrid(scene.canvas.column_mm, scene.canvas.row_mm)
    outside = whole.compartment_yx == Compartment.OUTSIDE
    if spec.arms and outside.any():
        reach = 1.08 * 150 * scene.person.scale + 1.4 * spec.subcutaneous_mm + 42
        paint_arms(whole.hu_yx, x.astype(np.float32), y.astype(np.float32), (reach, -10.0), scene.hu)
    if spec.table:
        back = 80 * spec.skeleton_scale + 1.4 * spec.subcutaneous_mm + 16
        paint_couch(whole.hu_yx, x.astype(np.float32), y.astype(np.float32), back + 14)


def _with_noise(noise_free_zyx: Array, compartments_zyx: NDArray[np.uint8], spec: PhantomSpec) -> NDArray[np.int16]:
    rng = np.random.default_rng([spec.seed, spec.scan_seed, 4])
    kernel = NoiseFilter.of(spec)
    noisy = np.empty(noise_free_zyx.shape, dtype=np.int16)
    for i, hu in enumerate(noise_free_zyx):
        profile = noise_profile(compartments_zyx[i] > 0)
        noisy[i] = _as_hu(hu + spec.noise_sd_hu * profile * kernel.draw(rng) + metal_streaks(hu, spec, rng))
    return noisy


def _as_hu(hu: Array) -> NDArray[np.int16]:
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)


def _levels(spine: Spine, grid: _Grid) -> dict[str, float]:
    low, high = grid.slice_mm[0], grid.slice_mm[-1]
    heights = {spine.label(v): float(v.centre_mm[2]) for v in spine.vertebrae}
    return {name: z + grid.patient_z_mm for name, z in heights.items() if low <= z <= high}


def _volume(spec: PhantomSpec, hu_zyx: NDArray[np.int16], grid: _Grid) -> CtVolume:
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
