"""The connection to the records: SQLite or PostgreSQL, its migrations, and the two kinds of transaction.

One writer at a time on both databases (SQLite: ``BEGIN IMMEDIATE``; PostgreSQL: an advisory lock held until commit),
so a rule that reads before it writes, such as "is this patient known?", needs no further thought. Writes are a few
rows each and readers never wait for them.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError as SqliteOperationalError
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import RecordError, SettingsError

_BUSY_TIMEOUT_MS: Final = 15_000
"""How long a writer waits for its turn; a write takes milliseconds, a migration a second or two."""
_RETRY_S: Final = 0.02
_WRITER_LOCK: Final = 7_215_508
"""Key of the PostgreSQL advisory lock; any number that other programs on the same database do not use."""


class Database:
    """An engine with its transactions; safe to share between threads, not across a fork."""

    def __init__(self, url: str) -> None:
        self._engine = _make_engine(url)
        is_sqlite = self._engine.dialect.name == "sqlite"
        self._reader = self._engine if is_sqlite else self._engine.execution_options(isolation_level="REPEATABLE READ")
        self._writer = self._engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that only reads, from one consistent snapshot; raises `RecordError` when it cannot."""
        with _explained(), Session(self._reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that is alone in writing; commits at the end, rolls back on any error.

        Raises `RecordError` when the database does not answer.
        """
        with _explained(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def upgrade(self) -> None:
        """Bring the tables to the newest migration; several processes may call it at once.

        Raises `SettingsError` when a newer version of the software has changed the database.
        """
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        script = ScriptDirectory.from_config(config)
        with _explained():
            with self._engine.connect() as connection:
                current = MigrationContext.configure(connection).get_current_revision()
            if current == script.get_current_head():
                return
            if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
                raise SettingsError(
                    f"The database is at revision {current}, which this version does not know.",
                    "Install the version of the software that last used it, or give another SARCOPENIA_DATABASE_URL.",
                )
            with self._writer.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _make_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite":
            _make_folder(parsed)
        engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
    except (ArgumentError, NoSuchModuleError, ImportError, OSError) as error:
        raise SettingsError(
            f"SARCOPENIA_DATABASE_URL cannot be used: {error}",
            "Give a sqlite:/// or postgresql:// URL; PostgreSQL needs `pip install sarcopenia-dashboard[postgres]`.",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_postgresql)
    return engine


def _make_folder(url: URL) -> None:
    """Create the folder of a SQLite file, closed to other users: it will hold patient data."""
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _prepare_sqlite(connection: SqliteConnection, _record: Any) -> None:  # noqa: ANN401 # SQLAlchemy's event signature
    connection.isolation_level = None  # the driver must not begin transactions by itself; `_begin_sqlite` does
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    _turn_on_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")  # what was shown as saved survives a power cut
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(
        "PRAGMA recursive_triggers = ON"
    )  # else INSERT OR REPLACE deletes past the immutability triggers


def _turn_on_wal(connection: SqliteConnection) -> None:
    """Let readers and the writer not wait for each other; the mode stays with the file.

    SQLite does not wait in its busy timeout for this change: of two connections that open a new file together the
    second is refused at once. It asks again until the first is done.
    """
    deadline = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except SqliteOperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_S)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns from reading to writing fails at once when somebody else wrote in between;
    # a writer therefore takes the write lock first and waits for it in the busy timeout.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")


@contextmanager
def _explained() -> Iterator[None]:
    """Turn a database that does not answer, or that has no room for a value, into a `RecordError`."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise RecordError(
            f"The database did not answer: {error.orig}",
            "Nothing was lost that was shown as saved. Check SARCOPENIA_DATABASE_URL and try again.",
        ) from error
    except (DataError, OverflowError, UnicodeEncodeError) as error:
        # SQLite's driver raises the built-in errors by itself, without SQLAlchemy's wrapping.
        reason = error.orig if isinstance(error, DataError) else error
        raise RecordError(
            f"The database cannot hold a value: {reason}", "Shorten the text, or leave out unusual characters."
        ) from error
