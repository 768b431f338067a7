"""Fixtures for all tests."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real CT with labels beside the repository; tests that need it carry the marker ``shared_data``."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real CT at {SHARED_DATA}")
    return SHARED_DATA


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--pictures DIR``: the browser tests leave their screenshots there (phantoms only), for the README."""
    parser.addoption("--pictures", default=None, help="folder for the screenshots of the browser tests")
