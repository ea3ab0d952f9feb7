"""The migrator: brings the schema up to date, and answers what operators ask."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from . import queries, schema
from .credentials import AwsCredentials, Credentials
from .database import Database
from .errors import MigrationError, StatementError, TokenRequiredError, UnavailableError
from .history import History
from .patience import wait_out
from .settings import Settings
from .tables import require_schema
from .telemetry import log

MIGRATION_SECONDS = 600
"""A statement of a migration may take this long; Lambda ends the function after 15 minutes."""

OPERATOR = "tx_operator"
"""PostgreSQL's user of the console, which the migrations create."""

QUERY_SECONDS = 30
"""A statement of a question may take this long."""

Rows = list[dict[str, Any]]


class Migrator:
    """Logs in as the master for migrations only, and as the consumer for everything else."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        *,
        migrations: tuple[schema.Migration, ...] = schema.MIGRATIONS,
    ) -> None:
        self._settings = settings
        self._migrations = migrations
        self._credentials = credentials
        self._database = Database(
            settings,
            lambda: (settings.db_user, credentials.database_token(settings.db_user)),
            on_connect=require_schema,
            statement_seconds=QUERY_SECONDS,
        )
        self._history = History(settings, credentials)

    def handle(self, event: Mapping[str, Any]) -> Any:  # noqa: C901, PLR0911 (a case a question)
        """Do what the event asks.

        Raises:
            MigrationError: the schema and the code do not fit together.
            UnavailableError: a store does not answer.
            ValueError: the event asks for nothing that the migrator knows.
        """
        database = self._database
        match event:
            case {"migrate": str(digest)}:
                return wait_out(lambda: self._migrate(digest), self._settings.outage_seconds, on_outage=_log)
            case {"status": True}:
                return {"schema_version": schema.VERSION} | queries.status(database)
            case {"transactions": {"id": str(transaction_id)}}:
                return _of_both(
                    lambda: queries.transaction(database, transaction_id), lambda: self._history.find(transaction_id)
                )
            case {"transactions": {"customer": str(customer_id), "limit": int(limit)}}:
                return _of_both(
                    lambda: queries.of_customer(database, customer_id, limit),
                    lambda: self._history.of_customer(customer_id, limit),
                )
            case {"stored": [*ids]}:
                return {"stored": queries.stored(database, ids)}
            case {"rejected": {"after": str(after), "limit": int(limit)}}:
                return queries.unresolved(database, after, limit)
            case {"rejected": {"limit": int(limit)}}:
                return queries.rejected(database, limit)
            case {"rejected": {"ids": [*ids]}}:
                return queries.payloads(database, ids)
            case {"resolved": [*ids]}:
                return {"resolved": queries.resolve(database, ids)}
            case {"findings": {"limit": int(limit)}}:
                return queries.findings(database, limit)
            case {"rebuild": int(hours)}:
                return {"written": queries.rebuild(database, self._history, hours)}
        raise ValueError(f"the migrator does not know the event {sorted(event)}")

    def _migrate(self, digest: str) -> dict[str, Any]:
        if digest != schema.digest():
            raise MigrationError("the function has other migrations than this deployment: deploy the layer again")
        try:
            applied = schema.apply(self._master(), self._migrations)
            for user in (self._settings.db_user, OPERATOR):
                self._allow_tokens(user)
        except StatementError as error:
            raise MigrationError(str(error)) from None
        return {"schema_version": schema.VERSION, "applied": applied}

    def _master(self) -> Database:
        """Open a session of the master: with its password, or with a token where RDS asks the master for one.

        Raises:
            UnavailableError: PostgreSQL takes neither.
        """
        user, password = self._credentials.master()
        try:
            return self._log_in(user, password)
        except TokenRequiredError as error:
            log("WARN", f"{user} logs in with a token, because it has become a member of rds_iam ({error})")
            return self._log_in(user, self._credentials.database_token(user))

    def _log_in(self, user: str, password: str) -> Database:
        database = Database(self._settings, lambda: (user, password), statement_seconds=MIGRATION_SECONDS)
        database.run("SELECT 1")
        return database

    def _allow_tokens(self, user: str) -> None:
        """Grant rds_iam to a user, and take it back if the master can no longer log in.

        RDS asks members of rds_iam for a token. The master should not become one through a role that it made.

        Raises:
            MigrationError: neither the password nor a token is taken.
        """
        master = self._master()
        if master.run("SELECT pg_has_role(:user, 'rds_iam', 'MEMBER')", user=user) == [[True]]:
            return
        master.run(f"GRANT rds_iam TO {user}")
        try:
            self._master().close()
        except UnavailableError as error:
            master.run(f"REVOKE rds_iam FROM {user}")
            raise MigrationError(
                f"the master could not log in after rds_iam was granted to {user}, so that was undone ({error})"
            ) from None
        finally:
            master.close()


def _of_both(postgresql: Callable[[], Rows], redis: Callable[[], Rows]) -> dict[str, Any]:
    """Return what each store has, as much as fits into an answer, and why one that is away does not tell."""
    rows, away = dict[str, Rows](), list[str]()
    for store, question in (("postgresql", postgresql), ("redis", redis)):
        try:
            rows[store] = question()
        except UnavailableError as outage:
            rows[store] = []
            away.append(str(outage))
    shown = queries.fitting(*rows.values())
    found = max(map(len, rows.values()))
    return {store: each[:shown] for store, each in rows.items()} | {"found": found, "away": away}


def _log(outage: UnavailableError) -> None:
    log("WARN", f"the migration waits: {outage}")


@cache
def _migrator() -> Migrator:
    settings = Settings.read(os.environ)
    return Migrator(settings, AwsCredentials(settings))


def handler(event: Mapping[str, Any], _context: object) -> Any:
    """Do what the event asks."""
    return _migrator().handle(event)
