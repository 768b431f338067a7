"""The whole product as a person starts it, and a headless Chromium in front of it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.records import JobState, open_records
from sarcopenia.settings import Settings

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_S = 180
PORTS = ("TRITON_HTTP_PORT", "TRITON_GRPC_PORT", "TRITON_METRICS_PORT", "DASHBOARD_PORT")


def free_ports(count):
    """Ports that nothing listens on; held together so that none is given twice."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def muscle_pixel(muscle):
    """A native pixel (x, y) deep in muscle."""
    counts = sum(np.roll(muscle, (dy, dx), (0, 1)).astype(int) for dy in range(-4, 5) for dx in range(-4, 5))
    y, x = np.unravel_index(counts.argmax(), counts.shape)
    return int(x), int(y)


def give_name(page, name):
    """Say who sits at the screen, where the page asks."""
    field = page.get_by_label("Your name")
    field.fill(name)
    field.press("Enter")
    field.wait_for(state="detached")


@pytest.fixture(scope="session")
def product(tmp_path_factory):
    """`sarcopenia run --no-demo` on free ports; gives its environment and the address of the dashboard."""
    folder = tmp_path_factory.mktemp("product")
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    environment = os.environ | {f"SARCOPENIA_{name}": str(port) for name, port in ports.items()}
    environment |= {"SARCOPENIA_DATA_DIR": str(folder / "data")}
    environment.pop("SARCOPENIA_TRITON_URL", None)
    log = folder / "run.log"
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "sarcopenia", "run", "--no-demo"]
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    try:
        wait_for_address(process, log)
        yield environment, f"http://127.0.0.1:{ports['DASHBOARD_PORT']}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def wait_for_address(process, log):
    """Wait until the product prints its address; a start that fails shows its own words."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if "Dashboard: http" in log.read_text(errors="replace"):
            return
        time.sleep(0.5)
    raise AssertionError(f"the product did not start:\n{log.read_text(errors='replace')}")


@pytest.fixture(scope="session")
def product_settings(product):
    environment, _ = product
    return Settings.from_environment(environment)


@pytest.fixture
def records(product_settings):
    """The running product's records."""
    with open_records(product_settings) as opened:
        yield opened


@pytest.fixture
def measure(records, page):
    """Give a volume to the running product and wait for its measurement; gives the scan's summary."""

    def measure(volume):
        files = [(file.name, file.content) for file in ct_series_bytes(volume, CtWriteOptions(is_phantom=True))]
        job_id = records.uploads.submit(files, source="test").job_id
        for _ in range(900):
            status = records.jobs.status(job_id)
            if status.state is JobState.DONE:
                return records.scans.get(status.scan_id)
            assert status.state is not JobState.FAILED, status.failure
            page.wait_for_timeout(200)
        raise AssertionError("the scan was not measured")

    return measure


@pytest.fixture
def page(product, request, tmp_path):
    """A page of a fresh browser; on failure its picture is kept beside the test's files."""
    assert Path(CHROMIUM).exists(), "run scripts/install_system_packages.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        opened = browser.new_page(viewport={"width": 1400, "height": 1500})
        opened.set_default_timeout(90_000)
        opened.goto(product[1])
        yield opened
        opened.screenshot(path=tmp_path / "last.png")
        browser.close()


@pytest.fixture
def keep_picture(request):
    """Copy a picture to the folder given by ``--pictures``, or do nothing."""
    folder = request.config.getoption("--pictures")

    def keep(picture, name):
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, Path(folder) / name)

    return keep
