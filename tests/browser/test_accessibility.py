"""Every page against axe-core's rules of WCAG 2.1 A and AA, in the light and in the dark theme."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from sarcopenia.phantom.demo import demo_studies

pytestmark = [pytest.mark.browser, pytest.mark.triton]

PAGES = ("", "worklist", "review", "patient", "preop", "agreement", "cohort", "system")
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


DISABLED = {"exclude": [[".st-key-flag"], [".st-key-by"]]}
"""Filters of the worklist with nothing to choose: WCAG asks no contrast of what is disabled, but Streamlit marks it in
a way that axe-core does not see."""


@pytest.fixture
def scan(measure):
    """One measured scan; the second test finds it measured."""
    return measure(demo_studies()[0].phantom().volume)


def describe(node):
    """What is at fault, and why, short enough to be read in a log."""
    return node["html"][:160], node["failureSummary"][:220]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_serious_fault(page, product, scan, theme):
    _, address = product
    page.emulate_media(color_scheme=theme)
    found = []
    for path in PAGES:
        page.goto(f"{address}/{path}?scan={scan.scan_id}&patient={scan.patient_id}")
        page.locator("h1").wait_for()
        page.get_by_test_id("stStatusWidget").wait_for(state="detached")
        page.wait_for_timeout(1500)
        for violation in Axe().run(page, context=DISABLED, options=RULES).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                found += [
                    (path, violation["id"], node["html"][:160], node["failureSummary"][:220])
                    for node in violation["nodes"]
                ]
    assert found == []
