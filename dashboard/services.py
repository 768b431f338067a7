"""The objects that all sessions share: settings, records, and the client of the models.

Pages read health through a short cache, so that many open pages do not become load on the server.
"""

from dataclasses import dataclass
from typing import Final

import streamlit as st

from sarcopenia.domain.volume import CtVolume
from sarcopenia.inference.port import ModelClient, ModelHealth
from sarcopenia.inference.triton import TritonModelClient
from sarcopenia.records import Records, StoredArrays, open_records
from sarcopenia.review import scan_volume
from sarcopenia.settings import Settings

HEALTH_DEADLINE_S: Final = 3.0
HEALTH_TTL_S: Final = 5.0


@dataclass(frozen=True)
class Services:
    """What pages work with."""

    settings: Settings
    records: Records
    models: ModelClient


@st.cache_resource(show_spinner=False)
def get_services() -> Services:
    """The shared objects, made once; raises `SettingsError` or `RecordError`."""
    settings = Settings.from_environment()
    return Services(settings, open_records(settings), TritonModelClient.from_settings(settings))


@st.cache_data(ttl=HEALTH_TTL_S, show_spinner=False)
def model_health() -> tuple[ModelHealth, ...]:
    """One canary per model, at most five seconds old."""
    return get_services().models.check(HEALTH_DEADLINE_S)


@st.cache_resource(scope="session", max_entries=1, show_spinner="Reading the series …")
def scan_series(scan_id: int) -> CtVolume:
    """The whole series of a scan; only the session that scrolls through it keeps it, and only one."""
    return scan_volume(get_services().records, scan_id)


@st.cache_data(scope="session", max_entries=4, show_spinner=False)
def measurement_arrays(measurement_id: int) -> StoredArrays:
    """Pictures of a measurement; only the session that looks at them keeps them."""
    return get_services().records.measurements.arrays(measurement_id)
