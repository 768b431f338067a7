"""The slice viewer in a real browser: what is painted there, what the server makes of it, and what comes back."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from dashboard.images import WINDOWS
from dashboard.viewer_payload import ADDED_COLOUR, REMOVED_COLOUR
from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.assessment.model_grid import CanonicalView
from sarcopenia.assessment.stroke_pixels import touched_pixels
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.phantom import make_phantom
from sarcopenia.phantom.demo import demo_studies
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGUMENTS, START_S, free_ports, muscle_pixel

pytestmark = pytest.mark.browser

APP = Path(__file__).with_name("viewer_app.py")
DASHBOARD = Path(__file__).parents[2] / "dashboard"
DOTS = "[{ tool: 'brush', path_xy: [[1, 1]], radius_px: 1, within_muscle_hu: false }]"
ABOVE_THE_PICTURE = "canvas.getBoundingClientRect().top - viewer.root.getBoundingClientRect().top"
TOGGLES = ("window", "layer", "uncertainty", "outlines", "tool")
PLANES = {
    "supine": PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0), (384, 432)),
    "turned": PlaneGeometry((0.0, 0.0, 0.0), (0.0, -1.0, 0.0), (-1.0, 0.0, 0.0), (2.0, 1.0), (216, 384)),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The viewer's page on a free port with six slices of a phantom; gives its folder and address."""
    folder = tmp_path_factory.mktemp("viewer")
    spec = replace(demo_studies()[0].spec, bottom_coordinate=15.25, top_coordinate=14.75)
    phantom = make_phantom(spec)
    np.savez(folder / "slices.npz", hu=phantom.volume.hu_zyx[:6], compartments=phantom.compartments_zyx[:6])
    [port] = free_ports(1)
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1"]
    environment = os.environ | {"VIEWER_APP_FOLDER": str(folder)}
    log = folder / "app.log"
    with log.open("wb") as stream:
        # The dashboard's own folder, so that its theme and settings apply.
        process = subprocess.Popen(command, env=environment, cwd=DASHBOARD, stdout=stream, stderr=stream)
    try:
        wait_for_health(f"http://127.0.0.1:{port}", process, log)
        yield folder, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def wait_for_health(address, process, log):
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"the app did not start:\n{log.read_text(errors='replace')}")


@pytest.fixture(scope="module")
def chromium():
    assert Path(CHROMIUM).exists(), "run scripts/install_system_packages.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Driver:
    """The viewer in a page, and the file in which its server writes down what it knows."""

    page: object
    folder: Path
    plane: PlaneGeometry

    @property
    def canvas(self):
        return self.page.locator("canvas[data-part='canvas']").first

    def js(self, expression):
        """Value of an expression over ``viewer``."""
        return self.canvas.evaluate(f"canvas => {{ const viewer = canvas.viewer; return {expression}; }}")

    def known(self):
        with np.load(self.folder / "known.npz") as stored:
            return stored["muscle"], stored["hu"], json.loads(str(stored["facts"]))

    def facts(self):
        return self.known()[2]

    def wait(self, expression):
        self.page.wait_for_function(
            "([canvas, expression]) => new Function('viewer', `return ${expression}`)(canvas.viewer)",
            arg=[self.canvas.element_handle(), expression],
        )

    def wait_saved(self, count):
        """The server has answered with this number of strokes and a mask that holds them."""
        self.wait(f"viewer.sent === null && viewer.confirmedCount === {count} && viewer.strokes.length === {count}")

    def wait_facts(self, test):
        deadline = time.monotonic() + 60
        while not test(self.facts()):
            assert time.monotonic() < deadline, self.facts()
            time.sleep(0.1)

    def screen(self, x, y):
        """Page position of the middle of a native pixel, worked out without the viewer's own turning."""
        view = CanonicalView.of(self.plane)
        native = np.arange(np.prod(self.plane.shape_yx)).reshape(self.plane.shape_yx)
        displayed = view.apply(native)
        v, u = np.argwhere(displayed == y * self.plane.shape_yx[1] + x)[0]
        memory, box = self.js("viewer.memory"), self.canvas.bounding_box()
        du, dv = view.spacing_mm_yx[1], view.spacing_mm_yx[0]
        px = box["width"] / 2 + ((u + 0.5) * du - memory["centre"][0]) * memory["zoom"]
        py = box["height"] / 2 + ((v + 0.5) * dv - memory["centre"][1]) * memory["zoom"]
        return float(box["x"] + px), float(box["y"] + py)

    def drag(self, *points_xy, button="left"):
        """Drag along native pixels."""
        mouse = self.page.mouse
        mouse.move(*self.screen(*points_xy[0]))
        mouse.down(button=button)
        for point in points_xy[1:]:
            mouse.move(*self.screen(*point), steps=8)
        mouse.up(button=button)

    def browser_muscle(self):
        """The mask as the browser has it, on native pixels."""
        digits = self.js("viewer.masks.muscle.join('')")
        return np.array([digit == "1" for digit in digits]).reshape(self.plane.shape_yx)

    def check_round_trip(self):
        """Server's mask, folding of the strokes that it got, and the browser's mask are the same in every pixel."""
        muscle, hu, facts = self.known()
        expected = muscle_mask(hu, self.model_compartments())
        for stroke in strokes_of(facts):
            found = touched_pixels(stroke, hu.shape)
            touched = np.zeros(hu.shape, bool)
            touched[found.window] = found.mask_yx
            if stroke.within_muscle_hu:
                touched &= (hu >= -29) & (hu <= 150)
            expected[touched] = stroke.tool.adds
        assert np.array_equal(muscle, expected)
        assert np.array_equal(self.browser_muscle(), muscle)
        return muscle, hu, facts

    def model_compartments(self):
        with np.load(self.folder / "slices.npz") as stored:
            compartments = stored["compartments"][self.facts()["index"]]
        if self.plane == PLANES["supine"]:
            return compartments
        return CanonicalView.of(self.plane).undo(compartments[:, ::2])


def strokes_of(facts):
    return [
        Stroke(StrokeTool(s["tool"]), tuple(map(tuple, s["path_xy"])), s["radius_px"], s["within_muscle_hu"])
        for s in facts["strokes"]
    ]


@pytest.fixture
def open_viewer(app, chromium, tmp_path):
    """Open the viewer on one of the planes; on failure a picture and the console are kept."""
    folder, address = app
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(30_000)
    said = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))

    def opened(plane="supine", edit=True, more=""):
        (folder / "known.npz").unlink(missing_ok=True)
        page.goto(f"{address}/?plane={plane}&edit={int(edit)}{more}")
        driver = Driver(page, folder, PLANES[plane])
        driver.canvas.wait_for()
        driver.wait("viewer && viewer.memory.zoom > 0 && viewer.cache.grey")
        return driver

    yield opened
    page.screenshot(path=tmp_path / "last.png")
    (tmp_path / "console.txt").write_text("\n".join(said))
    context.close()
    assert not [line for line in said if line.startswith("error: ")]


def fat_pixel(hu):
    """A native pixel (x, y) of fat: whatever is painted there changes the mask."""
    places = np.argwhere((hu > -150) & (hu < -60))
    y, x = places[len(places) // 3]
    return int(x), int(y)


@pytest.mark.parametrize("plane", PLANES)
def test_a_brush_stroke_is_the_same_mask_in_browser_and_server(open_viewer, plane):
    viewer = open_viewer(plane)
    before, hu, _ = viewer.check_round_trip()
    x, y = fat_pixel(hu)
    viewer.canvas.press("b")
    viewer.canvas.press("h")  # freely, also outside of −29..150 HU
    viewer.drag((x, y), (x + 9, y + 4), (x + 12, y + 20))
    viewer.wait_saved(1)
    after, _, facts = viewer.check_round_trip()
    assert after[y, x]
    assert after[y + 4, x + 9]
    assert after[y + 20, x + 12]
    assert (after & ~before).sum() > 100
    [stroke] = strokes_of(facts)
    assert stroke.radius_px == 4
    assert not stroke.within_muscle_hu
    path = np.array(stroke.path_xy)
    assert np.abs(path[0] - (x, y)).max() < 0.51
    assert np.hypot(*np.diff(path, axis=0).T).min() >= 0.24
    assert np.allclose(path * 100, np.rint(path * 100), atol=1e-6)


def test_within_muscle_hu_leaves_fat_alone(open_viewer):
    viewer = open_viewer()
    before, hu, _ = viewer.known()
    x, y = fat_pixel(hu)
    viewer.canvas.press("b")
    viewer.drag((x, y), (x + 10, y))
    viewer.wait_saved(1)
    after, hu, _ = viewer.check_round_trip()
    added = after & ~before
    assert added.sum() == 0 or (hu[added].min() >= -29 and hu[added].max() <= 150)


@pytest.mark.parametrize("plane", PLANES)
def test_erase_polygon_undo_redo_and_reset(open_viewer, plane):
    viewer = open_viewer(plane)
    model = viewer.known()[0]
    x, y = muscle_pixel(model)
    viewer.canvas.press("e")
    viewer.drag((x - 5, y), (x + 5, y))
    viewer.wait_saved(1)
    erased = viewer.check_round_trip()[0]
    assert not erased[y, x - 5 : x + 6].any()

    viewer.canvas.press("p")
    for corner in ((x - 8, y - 8), (x + 8, y - 8), (x + 8, y + 8)):
        viewer.page.mouse.click(*viewer.screen(*corner))
    viewer.page.mouse.dblclick(*viewer.screen(x - 8, y + 8))
    viewer.wait_saved(2)
    _, _, facts = viewer.check_round_trip()
    assert len(facts["strokes"][1]["path_xy"]) == 4

    viewer.canvas.press("Shift+P")
    for corner in ((x - 3, y - 3), (x + 3, y - 3), (x, y + 3)):
        viewer.page.mouse.click(*viewer.screen(*corner))
    viewer.canvas.press("Enter")
    viewer.wait_saved(3)
    three = viewer.check_round_trip()[0]
    assert not three[y, x]

    viewer.canvas.press("Control+z")
    viewer.canvas.press("Control+z")
    viewer.wait_saved(1)
    assert np.array_equal(viewer.check_round_trip()[0], erased)
    viewer.canvas.press("Control+y")
    viewer.canvas.press("Control+Shift+Z")
    viewer.wait_saved(3)
    assert np.array_equal(viewer.check_round_trip()[0], three)
    viewer.page.get_by_role("button", name="Reset to AI").click()
    viewer.wait_saved(0)
    assert np.array_equal(viewer.check_round_trip()[0], model)
    viewer.page.get_by_role("button", name="Undo").click()  # a reset is one step
    viewer.wait_saved(3)
    assert np.array_equal(viewer.check_round_trip()[0], three)
    viewer.canvas.press("Control+y")
    viewer.wait_saved(0)


@pytest.mark.parametrize("plane", PLANES)
def test_changes_against_the_ai_are_shown_pixel_by_pixel(open_viewer, plane):
    viewer = open_viewer(plane)
    model, hu, _ = viewer.known()
    outline = viewer.page.get_by_role("button", name="AI outline")
    assert outline.is_disabled()  # there is nothing to compare yet
    x, y = muscle_pixel(model)
    viewer.canvas.press("e")
    viewer.drag((x - 5, y), (x + 5, y))
    viewer.wait_saved(1)
    viewer.canvas.press("b")
    viewer.canvas.press("h")
    x, y = fat_pixel(hu)
    viewer.drag((x, y), (x + 5, y + 5))
    viewer.wait_saved(2)
    mended = viewer.check_round_trip()[0]
    view = CanonicalView.of(viewer.plane)
    expected = {"own": model, "added": mended & ~model, "removed": model & ~mended}
    assert expected["added"].any()
    assert expected["removed"].any()
    for name, mask in expected.items():
        shown = np.array(list(viewer.js(f"viewer.masks.compared.{name}.mask.join('')"))) == "1"
        assert np.array_equal(shown.reshape(view.apply(mask).shape), view.apply(mask)), name

    before = picture_of(viewer)
    viewer.canvas.press("d")
    assert picture_of(viewer) != before
    rgb = viewer.js(
        "(canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.join())"
        "(viewer.cache.changes)"
    )
    rgba = np.array(rgb.split(","), dtype=int).reshape(*view.apply(model).shape, 4)
    for name, colour in (("added", ADDED_COLOUR), ("removed", REMOVED_COLOUR)):
        assert np.array_equal((rgba[..., :3] == colour).all(axis=2) & (rgba[..., 3] > 0), view.apply(expected[name]))
    areas = {name: expected[name].sum() * viewer.plane.pixel_area_mm2 / 100 for name in ("added", "removed")}
    legend = viewer.page.get_by_role("list", name="Compared with the AI").inner_text()
    assert legend.split("\n") == [f"Added {areas['added']:.1f} cm²", f"Removed {areas['removed']:.1f} cm²"]

    changes = picture_of(viewer)
    outline.click()
    assert outline.get_attribute("aria-pressed") == "true"
    assert picture_of(viewer) != changes
    viewer.page.get_by_role("button", name="Reset to AI").click()
    viewer.wait_saved(0)
    assert outline.is_disabled()
    assert outline.get_attribute("aria-pressed") == "false"


def test_the_slider_goes_through_the_series_by_keyboard_and_back_to_the_measured_slice(open_viewer):
    viewer = open_viewer()
    slider, back = viewer.page.get_by_role("slider", name="Slice"), viewer.page.get_by_role("button", name="Back to")
    assert slider.get_attribute("aria-valuetext") == "Slice 1 of 0–5, z −7.5 mm (measured)"
    assert back.is_disabled()
    slider.focus()
    for _ in range(2):
        viewer.page.keyboard.press("ArrowRight")
    viewer.wait("viewer.data.slice_index === 3")
    viewer.page.locator("[data-part='sliceText']").get_by_text("Slice 3 of 0–5, z 2.5 mm", exact=True).wait_for()
    viewer.page.keyboard.press("Home")
    viewer.wait("viewer.data.slice_index === 0")
    back.click()
    viewer.wait("viewer.data.slice_index === 1")
    assert slider.input_value() == "1"
    viewer.canvas.press("ArrowUp")
    viewer.wait("viewer.data.slice_index === 2")
    viewer.canvas.press("m")
    viewer.wait("viewer.data.slice_index === 1")


def test_a_preview_is_dashed_outlines_with_its_name_in_the_picture(open_viewer):
    viewer = open_viewer(more="&preview=1")
    description = viewer.page.locator("[data-part='description']")
    top = viewer.js(ABOVE_THE_PICTURE)
    assert "Overlay: Muscle (SMA) as areas" in description.text_content()
    viewer.canvas.press("ArrowUp")
    viewer.wait("viewer.data.slice_index === 2")
    words = description.text_content()
    assert "Muscle (SMA) as dashed outlines" in words
    assert words.endswith("Preview – not the measured slice")
    assert viewer.js("viewer.parts.style.inert && viewer.parts.painting.inert")
    assert viewer.js(ABOVE_THE_PICTURE) == top  # the picture does not jump
    with_words = picture_of(viewer)
    viewer.js("viewer.data.note = ''")
    assert picture_of(viewer) != with_words


def test_two_viewers_share_the_window_and_nothing_else(open_viewer):
    viewer = open_viewer(more="&beside=1")
    other = viewer.page.locator("canvas[data-part='canvas']").nth(1)
    other.wait_for()
    levels = viewer.page.locator("[data-part='level']")
    viewer.canvas.press("3")
    assert [each.split() for each in levels.all_inner_texts()] == [["W", "1800", "L", "400"]] * 2
    viewer.drag((150, 150), (200, 120), button="right")
    first, second = levels.all_inner_texts()
    assert first == second
    assert first.split() != ["W", "1800", "L", "400"]
    other.press("l")
    assert not viewer.js("viewer.memory.outlines")
    assert other.evaluate("canvas => canvas.viewer.root.querySelector('[data-part=painting]').hidden")


def test_escape_cancels_and_quick_strokes_all_arrive(open_viewer):
    viewer = open_viewer()
    _, hu, _ = viewer.known()
    x, y = fat_pixel(hu)
    viewer.canvas.press("b")
    viewer.page.mouse.move(*viewer.screen(x, y))
    viewer.page.mouse.down()
    viewer.page.mouse.move(*viewer.screen(x + 5, y))
    viewer.canvas.press("Escape")
    viewer.page.mouse.up()
    viewer.canvas.press("p")
    viewer.page.mouse.click(*viewer.screen(x, y))
    viewer.canvas.press("Escape")
    assert viewer.js("viewer.strokes.length + viewer.polygon.length") == 0

    viewer.canvas.press("b")
    for i in range(6):  # faster than the server answers
        viewer.drag((x + 3 * i, y), (x + 3 * i, y + 10))
    viewer.wait_saved(6)
    assert len(viewer.check_round_trip()[2]["strokes"]) == 6


def test_the_servers_list_wins_and_nonsense_is_refused_in_words(open_viewer):
    viewer = open_viewer()
    _, hu, _ = viewer.known()
    viewer.canvas.press("b")
    x, y = fat_pixel(hu)
    viewer.drag((x, y), (x + 5, y))
    viewer.wait_saved(1)
    viewer.page.get_by_role("button", name="Forget strokes").click()
    viewer.wait_saved(0)
    viewer.js("viewer.send('strokes', { base: viewer.base, strokes: [{ tool: 'axe' }] })")
    viewer.page.get_by_text("could not be read").wait_for()
    viewer.js(f"viewer.send('strokes', {{ base: 'another', strokes: {DOTS} }})")
    viewer.page.get_by_text("changed elsewhere").wait_for()
    viewer.drag((x, y), (x + 5, y))
    viewer.wait_saved(1)


@pytest.mark.parametrize("plane", PLANES)
def test_hu_and_greys_are_those_of_the_native_pixels(open_viewer, plane):
    viewer = open_viewer(plane)
    _, hu, facts = viewer.known()
    rng = np.random.default_rng(7)
    rows, columns = hu.shape
    for y, x in rng.integers((rows // 4, columns // 4), (3 * rows // 4, 3 * columns // 4), (12, 2)).tolist():
        viewer.page.mouse.move(*viewer.screen(x, y))
        words = viewer.page.locator("[data-part='readout']").inner_text().split()
        assert words == ["x", str(x), "y", str(y), str(hu[y, x]).replace("-", "−"), "HU"]
    grey = viewer.js(
        "(({ width, height }, context) => context.getImageData(0, 0, width, height).data"
        ".filter((_, i) => i % 4 === 0).join())(viewer.grey(), viewer.grey().getContext('2d'))"
    )
    expected = WINDOWS[0].apply(CanonicalView.of(viewer.plane).apply(hu))
    shown = np.array(grey.split(","), dtype=float).reshape(expected.shape)
    assert np.abs(shown - expected).max() <= 0.51
    assert viewer.facts()["runs"] == facts["runs"]


def test_a_lost_message_is_sent_again(open_viewer):
    viewer = open_viewer()
    _, hu, _ = viewer.known()
    viewer.js("(real => { viewer.send = () => { viewer.send = real; }; })(viewer.send)")
    viewer.canvas.press("b")
    x, y = fat_pixel(hu)
    viewer.drag((x, y), (x + 5, y))
    assert viewer.page.get_by_role("status").get_by_text("Saving").count() == 1
    viewer.wait_saved(1)
    viewer.check_round_trip()


def test_what_was_set_survives_leaving_the_page(open_viewer):
    viewer = open_viewer()
    _, hu, _ = viewer.known()
    viewer.canvas.press("3")
    viewer.canvas.press("b")
    x, y = fat_pixel(hu)
    viewer.drag((x, y), (x + 5, y))
    viewer.wait_saved(1)
    viewer.page.get_by_text("Hide").click()
    viewer.canvas.wait_for(state="detached")
    viewer.page.get_by_text("Hide").click()
    viewer.canvas.wait_for()
    viewer.wait("viewer && viewer.confirmedCount === 1")
    assert viewer.page.get_by_role("button", name="Bone (1800/400)").get_attribute("aria-pressed") == "true"
    viewer.drag((x, y), (x, y + 5))  # the brush is still in the hand
    viewer.wait_saved(2)
    viewer.check_round_trip()


def picture_of(viewer):
    viewer.js("viewer.draw()")
    return viewer.js("canvas.toDataURL()")


def test_looking_does_not_run_the_page_again(open_viewer):
    viewer = open_viewer()
    runs = viewer.facts()["runs"]
    pictures = [picture_of(viewer)]
    for key in ("2", "3", "4", "1", "+", "0", "l"):
        viewer.canvas.press(key)
        pictures.append(picture_of(viewer))
        assert pictures[-1] != pictures[-2], key
    viewer.canvas.press("l")
    viewer.page.get_by_role("button", name="Visceral fat (VAT)").click()
    assert picture_of(viewer) != pictures[-1]
    viewer.page.get_by_role("button", name="Spread of the AI's answers").click()
    viewer.page.locator("[data-part='legend']").wait_for()
    viewer.drag((150, 150), (200, 120), button="right")
    level = viewer.page.locator("[data-part='level']").inner_text()
    assert level.split() != ["W", "400", "L", "40"]
    viewer.drag((150, 150), (170, 160), button="middle")
    assert not viewer.js("viewer.memory.fitted")
    time.sleep(1)
    assert viewer.facts()["runs"] == runs
    viewer.canvas.press("ArrowUp")  # and what was set survives the next slice
    viewer.wait_facts(lambda facts: facts["index"] == 2)
    viewer.wait("viewer.data.slice_index === 2")
    assert viewer.page.locator("[data-part='level']").inner_text() == level
    assert not viewer.js("viewer.memory.fitted")


def test_zoom_keeps_the_pixel_under_the_pointer(open_viewer):
    viewer = open_viewer()
    viewer.page.mouse.move(*viewer.screen(120, 200))
    viewer.page.keyboard.down("Control")
    viewer.page.mouse.wheel(0, -300)
    viewer.page.keyboard.up("Control")
    viewer.wait("!viewer.memory.fitted")
    assert viewer.page.locator("[data-part='readout']").inner_text().split()[:4] == ["x", "120", "y", "200"]


def test_the_wheel_asks_for_slices_with_few_runs(open_viewer):
    viewer = open_viewer()
    runs = viewer.facts()["runs"]
    viewer.page.mouse.move(*viewer.screen(200, 200))
    for _ in range(3):
        viewer.page.mouse.wheel(0, -100)  # up: towards the head
    viewer.wait_facts(lambda facts: facts["index"] == 4)
    viewer.wait("viewer.data.slice_index === 4")
    assert viewer.facts()["runs"] <= runs + 4  # one run takes the wish, one shows the slice
    viewer.canvas.press("PageDown")
    viewer.wait_facts(lambda facts: facts["index"] == 0)
    viewer.wait("viewer.data.slice_index === 0")
    runs = viewer.facts()["runs"]
    viewer.canvas.press("ArrowDown")  # there is none below
    time.sleep(1)
    assert viewer.facts()["runs"] == runs


def test_without_painting_there_are_no_tools(open_viewer):
    viewer = open_viewer(edit=False)
    assert viewer.page.get_by_role("button", name="Brush").count() == 0
    viewer.canvas.press("b")
    viewer.drag((200, 200), (230, 210))
    assert viewer.js("viewer.strokes.length") == 0
    viewer.js(f"viewer.send('strokes', {{ base: viewer.base, strokes: {DOTS} }})")
    viewer.page.get_by_text("not open for painting").wait_for()


def test_keyboard_help_and_names(open_viewer, tmp_path, keep_picture):
    viewer = open_viewer()
    _, hu, _ = viewer.known()
    viewer.canvas.focus()
    assert "Axial slice 2 of a phantom" in viewer.canvas.get_attribute("aria-label")
    assert viewer.canvas.evaluate("canvas => getComputedStyle(canvas).outlineStyle") == "solid"
    viewer.canvas.press("?")
    dialog = viewer.page.get_by_role("dialog", name="Hot keys")
    dialog.get_by_text("Fit the body").wait_for()
    viewer.page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    opener = viewer.page.get_by_role("button", name="Hot keys")
    opener.focus()
    viewer.page.keyboard.press("Enter")
    dialog.get_by_text("Back to the measured slice").wait_for()
    viewer.page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert opener.evaluate("button => button.getRootNode().activeElement === button")
    assert opener.evaluate("button => getComputedStyle(button).outlineStyle") == "solid"
    opener.click()
    dialog.get_by_role("button", name="Close").click()
    toggles = viewer.page.get_by_role("toolbar").get_by_role("button")
    pressed = [each.get_attribute("aria-pressed") for each in toggles.all() if each.get_attribute("data-do") in TOGGLES]
    assert len(pressed) == 16
    assert set(pressed) == {"true", "false"}
    viewer.page.get_by_role("button", name="Brush").click()
    assert viewer.page.get_by_role("button", name="Brush").get_attribute("aria-pressed") == "true"
    viewer.canvas.press("]")
    assert viewer.js("viewer.memory.radius") == 5
    x, y = fat_pixel(hu)
    viewer.page.mouse.move(*viewer.screen(x, y))
    viewer.page.screenshot(path=tmp_path / "viewer.png")
    keep_picture(tmp_path / "viewer.png", "viewer.png")
