import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcopenia.assessment.model_grid import CanonicalView, axial_grid
from sarcopenia.domain.errors import NoBodyError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.inference.contract import AXIAL_SIZE_MULTIPLE

PLAIN = PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.9, 0.7), (300, 400))


def torso(shape=(300, 400), centre=(150.0, 200.0), radii=(100.0, 150.0)):
    """A lean ellipse of soft tissue with a dense half to the patient's left and a bone at the back, in air."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    hu = np.full(shape, -1000, dtype=np.int16)
    inside = ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1
    hu[inside] = 40
    hu[inside & (x > centre[1])] = 80
    hu[int(centre[0]) + 50 : int(centre[0]) + 80, int(centre[1]) - 20 : int(centre[1]) + 20] = 500
    return hu


def turned(hu, plane, transpose, flip_rows, flip_columns):
    """The same slice stored another way, with the geometry that says so."""
    view = CanonicalView(transpose, flip_rows, flip_columns, plane.spacing_mm_yx)
    stored = view.undo(hu)
    step_row, step_column = np.array(plane.column_direction_lps), np.array(plane.row_direction_lps)
    step_row = -step_row if flip_rows else step_row
    step_column = -step_column if flip_columns else step_column
    rows, columns = (step_column, step_row) if transpose else (step_row, step_column)
    spacing = plane.spacing_mm_yx[::-1] if transpose else plane.spacing_mm_yx
    return stored, PlaneGeometry((0.0, 0.0, 0.0), tuple(columns), tuple(rows), spacing, stored.shape)


@settings(deadline=None)
@given(st.booleans(), st.booleans(), st.booleans())
def test_every_way_of_storing_a_slice_gives_the_same_model_input(transpose, flip_rows, flip_columns):
    hu = torso()
    reference = axial_grid(hu, PLAIN).to_model(hu)
    stored, plane = turned(hu, PLAIN, transpose, flip_rows, flip_columns)
    grid = axial_grid(stored, plane)
    # The body is found on every third pixel or so: where that raster starts may move the centre by one of its steps.
    found = grid.to_model(stored)
    assert found.shape == reference.shape
    assert np.mean(np.abs(found - reference) > 100) < 0.05


@settings(deadline=None)
@given(st.booleans(), st.booleans(), st.booleans())
def test_a_map_comes_back_to_the_native_pixels(transpose, flip_rows, flip_columns):
    hu = torso()
    stored, plane = turned(hu, PLAIN, transpose, flip_rows, flip_columns)
    grid = axial_grid(stored, plane)
    mask = stored > 60
    back = grid.to_native(grid.to_model(mask, outside=0.0)) > 0.5
    assert 2 * (mask & back).sum() / (mask.sum() + back.sum()) > 0.99


def test_grid_holds_the_whole_body_in_multiples():
    hu = torso()
    grid = axial_grid(hu, PLAIN)
    assert all(size % AXIAL_SIZE_MULTIPLE == 0 for size in grid.shape_yx)
    inside = grid.to_model(hu > -300, outside=0.0)
    assert inside.sum() * 1.5 * 1.5 == pytest.approx((hu > -300).sum() * 0.9 * 0.7, rel=0.01)


def test_an_off_centre_body_is_centred():
    hu = torso(centre=(180.0, 235.0))
    body = axial_grid(hu, PLAIN).to_model(hu) > -300
    rows, columns = np.flatnonzero(body.any(1)), np.flatnonzero(body.any(0))
    assert abs(rows.mean() - (body.shape[0] - 1) / 2) < 2.5
    assert abs(columns.mean() - (body.shape[1] - 1) / 2) < 2.5


def test_a_table_is_not_the_body():
    hu = torso()
    hu[270:274] = 100
    rows, _ = axial_grid(hu, PLAIN).shape_yx
    assert rows == axial_grid(torso(), PLAIN).shape_yx[0]


def test_air_alone_is_no_body():
    with pytest.raises(NoBodyError):
        axial_grid(np.full((300, 400), -1000, np.int16), PLAIN)
