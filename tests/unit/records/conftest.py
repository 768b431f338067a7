"""Records on SQLite and on PostgreSQL."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from sarcopenia.domain.volume import Sex
from sarcopenia.records import Records, open_records
from sarcopenia.settings import Settings
from tests.unit.records.samples import Clock, make_volume


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """Folder of the socket of a PostgreSQL server of our own, with the superuser "sarcopenia"."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL is not installed (scripts/install_system_packages.sh)")
    owner = "postgres" if os.getuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="sarcopenia-postgres-"))
    if owner:
        shutil.chown(folder, owner)
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        command = [str(programs[-1] / program), "-D", str(data), *arguments]
        subprocess.run(command, check=True, user=owner, cwd=folder, capture_output=True, timeout=120)

    run("initdb", "-U", "sarcopenia", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
    # No capture of the server's own output: it would keep the pipe open for as long as it lives.
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", options)
    try:
        yield folder
    finally:
        run("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_socket: Path) -> Iterator[str]:
    """URL of a fresh PostgreSQL database."""
    name = f"records_{os.urandom(6).hex()}"
    server = f"host={postgres_socket} user=sarcopenia dbname=postgres"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"postgresql://sarcopenia@/{name}?host={postgres_socket}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of empty records, on each database in turn."""
    environment = {"SARCOPENIA_DATA_DIR": str(tmp_path / "data")}
    if request.param == "postgresql":
        environment["SARCOPENIA_DATABASE_URL"] = request.getfixturevalue("postgres_url")
    return Settings.from_environment(environment)


@pytest.fixture
def records(settings: Settings, clock: Clock) -> Iterator[Records]:
    with open_records(settings, clock) as opened:
        yield opened


@pytest.fixture
def jane() -> dict[str, object]:
    """Header of a patient who is well named."""
    return {
        "patient_id": "4711",
        "issuer": "HOSPITAL",
        "name": "DOE^JANE",
        "birth_date": date(1950, 5, 17),
        "sex": Sex.FEMALE,
    }


@pytest.fixture
def store_scan(records: Records) -> Callable[..., int]:
    """Upload and register a volume that raises no question; gives the scan's id."""

    def store(**header: object) -> int:
        series_hash = str(header.pop("series_hash", "a" * 64))
        upload = records.uploads.submit([("ct", series_hash.encode())], source="test")
        return records.scans.register(upload.upload_id, make_volume(series_hash, **header)).scan_id

    return store
