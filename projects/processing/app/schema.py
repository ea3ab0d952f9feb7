"""The tables of PostgreSQL: migrations, forward only.

A migration must work with the code before it, because both run for a moment: add in one, remove in a later one.
A file that has run is never edited.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from .database import Database
from .errors import MigrationError, RefusedError, StatementError

LOCK = 0x74786D6F6E  # "txmon"
"""PostgreSQL's advisory lock that lets one migrator run at a time."""

TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, digest text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""


@dataclass(frozen=True)
class Migration:
    """A file NNNN_name.sql."""

    name: str
    sql: str

    @property
    def version(self) -> int:
        return int(self.name[:4])

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def _read() -> tuple[Migration, ...]:
    folder = files(__package__).joinpath("migrations")
    sources = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple(Migration(file.name, file.read_bytes().decode()) for file in sources)


MIGRATIONS = _read()
VERSION = MIGRATIONS[-1].version
"""The version that this code needs."""


def digest() -> str:
    """Return what changes with every change of the migrations."""
    lines = "".join(f"{migration.digest} {migration.name}\n" for migration in MIGRATIONS)
    return hashlib.sha256(lines.encode()).hexdigest()


def apply(database: Database, migrations: tuple[Migration, ...] = MIGRATIONS) -> list[str]:
    """Apply the migrations that have not run, each in a transaction, and return their names.

    Raises:
        MigrationError: PostgreSQL does not take one, one that has run was edited since, or the database has one that
            this code does not know.
        StatementError: the master may not write in the database.
        UnavailableError: PostgreSQL does not answer.
    """
    database.run("SELECT pg_advisory_lock(:key)", key=LOCK)
    try:
        database.run(TABLE)
        return [migration.name for migration in _pending(database, migrations) if _apply(database, migration)]
    finally:
        database.close()  # which releases the lock, whatever became of the session


def _pending(database: Database, migrations: tuple[Migration, ...]) -> list[Migration]:
    known = {migration.version: migration for migration in migrations}
    applied = database.run("SELECT version, name, digest FROM schema_migrations ORDER BY version")
    for version, name, applied_digest in applied:
        if version not in known:
            raise MigrationError(
                f"the schema is newer than the code: it has {name}, the code ends with {migrations[-1].name};"
                " deploy the newer code again"
            )
        if known[version].digest != applied_digest:
            raise MigrationError(
                f"{known[version].name} was edited after it ran; restore it, and put the change into a new migration"
            )
    done = {row[0] for row in applied}
    return [migration for migration in migrations if migration.version not in done]


def _apply(database: Database, migration: Migration) -> bool:
    try:
        with database.transaction():
            database.run(migration.sql)
            database.run(
                "INSERT INTO schema_migrations (version, name, digest) VALUES (:version, :name, :digest)",
                version=migration.version,
                name=migration.name,
                digest=migration.digest,
            )
    except (RefusedError, StatementError) as error:
        raise MigrationError(f"{migration.name}: {error}") from None
    return True
