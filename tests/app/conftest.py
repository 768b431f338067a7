"""Pages run for real on real records in a temporary folder; the models are the in-memory fake."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import services
from sarcopenia.domain.volume import PatientHeader, Sex
from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.inference.fake import FakeModelClient, known_spine
from sarcopenia.phantom import PhantomSpec, make_phantom
from sarcopenia.records import open_records
from sarcopenia.settings import Settings
from sarcopenia.worker import Worker

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
SPEC = PhantomSpec(seed=5, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=6.0, noise_sd_hu=6.0)


@pytest.fixture(scope="session")
def phantom():
    return make_phantom(SPEC)


@pytest.fixture(scope="session")
def chest():
    return make_phantom(replace(SPEC, bottom_coordinate=13.4, top_coordinate=7.0))


class Stack:
    """Records, fake models and a worker that runs when told; and the pages on top of them."""

    def __init__(self, settings):
        self.settings = settings
        self.later = timedelta()
        self.records = open_records(settings, now=lambda: datetime.now(UTC) + self.later)
        self.models = FakeModelClient(models=settings.models)
        self.worker = Worker(self.records, self.models)

    def models_for(self, phantom):
        """Models that know this phantom's spine."""
        script = known_spine(phantom.volume.geometry.slice_z_mm, phantom.vertebral_coordinate_z)
        self.models._spine = script

    def submit(self, phantom, **header):
        """Upload a phantom with another header; returns the job."""
        self.models_for(phantom)
        volume = replace(phantom.volume, header=replace(phantom.volume.header, **header))
        files = [(file.name, file.content) for file in ct_series_bytes(volume, CtWriteOptions())]
        return self.records.uploads.submit(files, source="test").job_id

    def measure(self, phantom, **header):
        """Upload and measure; returns the finished job."""
        job_id = self.submit(phantom, **header)
        assert self.worker.run_once()
        return self.records.jobs.status(job_id)

    def page(self, path="", **query):
        """The app on one page."""
        at = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in query.items():
            at.query_params[name] = value
        at.run()
        if path:
            at.switch_page(f"app_pages/{path}.py").run()
        assert not at.exception, at.exception
        return at


@pytest.fixture
def research(monkeypatch):
    """Research is on; ask for it before `stack`."""
    monkeypatch.setenv("SARCOPENIA_RESEARCH", "on")


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("SARCOPENIA_DATA_DIR", str(tmp_path))
    st.cache_resource.clear()
    st.cache_data.clear()
    made = Stack(Settings.from_environment())
    monkeypatch.setattr(services, "TritonModelClient", SimpleNamespace(from_settings=lambda settings: made.models))
    yield made
    st.cache_resource.clear()
    st.cache_data.clear()
    made.records.close()


@pytest.fixture
def somebody():
    return {"patient": PatientHeader("P-1", "HOSPITAL", "DOE^JANE"), "sex": Sex.FEMALE}
