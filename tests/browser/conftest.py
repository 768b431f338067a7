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
