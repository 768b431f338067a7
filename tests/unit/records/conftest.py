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


def settings_of(folder: Path, database_url: str = "") -> Settings:
    return Settings.from_environment({"SARCOPENIA_DATA_DIR": str(folder), "SARCOPENIA_DATABASE_URL": database_url})


@pytest.fixture(scope="session")
def postgres_admin(postgres_socket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    """Connection that makes databases; the one named "migrated" has the tables and nothing in them."""
    with psycopg.connect(f"host={postgres_socket} user=sarcopenia dbname=postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
        url = f"postgresql://sarcopenia@/migrated?host={postgres_socket}"
        with open_records(settings_of(tmp_path_factory.mktemp("postgres"), url)):
            pass
        yield connection


@pytest.fixture
def postgres(postgres_admin: psycopg.Connection, postgres_socket: Path) -> Iterator[Callable[[str], str]]:
    """Copies a database, "migrated" or the empty "template1", and gives the URL; the copy goes after the test."""
    name = f"records_{os.urandom(6).hex()}"

    def copy(template: str) -> str:
        postgres_admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"postgresql://sarcopenia@/{name}?host={postgres_socket}"

    yield copy
    postgres_admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the tables and nothing in them."""
    folder = tmp_path_factory.mktemp("sqlite")
    with open_records(settings_of(folder)):
        pass
    return folder / "records.sqlite3"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def backend(request: pytest.FixtureRequest) -> str:
    """Each database in turn."""
    return str(request.param)


@pytest.fixture
def empty_settings(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a database without tables."""
    url = request.getfixturevalue("postgres")("template1") if backend == "postgresql" else ""
    return settings_of(tmp_path / "data", url)


@pytest.fixture
def settings(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of empty records: a copy of migrated ones, because migrating takes longer than most tests."""
    if backend == "postgresql":
        return settings_of(tmp_path / "data", request.getfixturevalue("postgres")("migrated"))
    (tmp_path / "data").mkdir()
    shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "data")
    return settings_of(tmp_path / "data")


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
