"""A session with PostgreSQL, whose errors tell bad data from a store that is away."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import as_file, files
from typing import Any

from pg8000 import native
from pg8000.exceptions import DatabaseError, InterfaceError

from .errors import RefusedError, StatementError, TokenRequiredError, UnavailableError
from .patience import REUSE_SECONDS, Idleness, unlimited
from .settings import Settings

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 8
"""PostgreSQL's `statement_timeout`."""
MARGIN_SECONDS = 2
"""What the socket waits longer than a statement may take."""
READ_SECONDS = STATEMENT_SECONDS + MARGIN_SECONDS
IDLE_SECONDS = 30
"""PostgreSQL's `idle_in_transaction_session_timeout`, after which a function that was killed holds no locks."""

INVALID_AUTHORIZATION = "28000"
"""SQLSTATE of a login refused otherwise than for its password, which is 28P01 (PostgreSQL, Appendix A)."""

DATA = frozenset({"22", "23", "54"})
"""Classes of SQLSTATE that blame the data: exception, integrity, program limit (PostgreSQL, Appendix A).

Every other error is the store's, also a right or a table that is missing: data waits until it is mended.
"""

OUTAGE = frozenset({"08", "28", "40", "53", "55", "57", "58"})
"""Classes of SQLSTATE that pass by themselves: connection, login, conflict of transactions, resources, locks,
intervention of an operator, and errors of the system (PostgreSQL, Appendix A)."""


class Database:
    """Opens a session when it is needed, and drops it after an error that is not the data's."""

    def __init__(
        self,
        settings: Settings,
        login: Callable[[], tuple[str, str]],
        *,
        on_connect: Callable[["Database"], None] = lambda _: None,
        statement_seconds: float = STATEMENT_SECONDS,
        reuse_seconds: float = REUSE_SECONDS,
    ) -> None:
        self._settings = settings
        self._login = login
        self._on_connect = on_connect
        self._statement_seconds = statement_seconds
        self._idleness = Idleness(reuse_seconds)
        self._connection: Any = None
        self._prepared: dict[str, Any] = {}
        self._in_savepoint = False

    def run(self, sql: str, **values: Any) -> list[list[Any]]:
        """Run a statement, or several without values, and return the rows.

        Raises:
            RefusedError: PostgreSQL does not take the values.
            StatementError: it does not take the statement, whatever the values.
            UnavailableError: it does not answer, or not for the moment.
        """
        if self._idleness.too_long():
            self.close()
        if self._connection is None:
            self._connect()
        with self._translated():
            if not values:
                return self._connection.run(sql) or []
            if sql not in self._prepared:
                self._prepared[sql] = self._connection.prepare(sql)
            return self._prepared[sql].run(**values) or []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block runs, or nothing of it if it raises."""
        self.run("BEGIN")
        try:
            yield
        except BaseException:
            if self._connection is not None:
                with suppress(UnavailableError):
                    self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    @contextmanager
    def savepoint(self, statement_seconds: float) -> Iterator[None]:
        """Undo only the block, not its transaction, if PostgreSQL refuses one of its statements.

        Raises:
            RefusedError: it does, for whatever reason, or a statement takes longer than `statement_seconds`.
            UnavailableError: the session is lost, and the transaction with it.
        """
        self.run(f"SAVEPOINT block; SET LOCAL statement_timeout = {int(statement_seconds * 1000)}")
        self._in_savepoint = True
        try:
            yield
        except RefusedError:
            self.run("ROLLBACK TO block")
            raise
        else:
            self.run("RELEASE block; SET LOCAL statement_timeout TO DEFAULT")
        finally:
            self._in_savepoint = False

    def close(self) -> None:
        connection, self._connection, self._prepared = self._connection, None, {}
        if connection is not None:
            with suppress(InterfaceError, OSError):
                connection.close()

    def _connect(self) -> None:
        settings = self._settings
        user, password = self._login()
        milliseconds = {
            "statement_timeout": self._statement_seconds,
            "idle_in_transaction_session_timeout": IDLE_SECONDS,
        }
        with self._translated(), _socket(settings.db_host, settings.db_port, self._statement_seconds) as connected:
            self._connection = native.Connection(
                user,
                password=password,
                host=settings.db_host,
                database=settings.db_name,
                sock=connected,
                ssl_context=_tls(),
                application_name="txmon-processing",
                startup_params={name: str(int(seconds * 1000)) for name, seconds in milliseconds.items()},
            )
        self._on_connect(self)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with unlimited():
                yield
        except DatabaseError as error:
            fields = error.args[0]
            reason = f"PostgreSQL says: {fields['M']} ({fields['C']})"
            # FATAL ends the session (PostgreSQL, "Message Severity Levels"), and with it every savepoint.
            if fields["C"][:2] in DATA or (self._in_savepoint and fields["V"] == "ERROR"):
                raise RefusedError(reason) from None
            self.close()
            if fields["C"] == INVALID_AUTHORIZATION:
                raise TokenRequiredError(f"{reason}; ./inv drift shows a lost right to rds-db:connect") from None
            raise (UnavailableError if fields["C"][:2] in OUTAGE else StatementError)(reason) from None
        except (InterfaceError, OSError) as error:
            self.close()
            raise UnavailableError(f"PostgreSQL does not answer: {error.__cause__ or error}") from None


@contextmanager
def _socket(host: str, port: int, statement_seconds: float) -> Iterator[socket.socket]:
    """Connect, and close the socket again if the block raises."""
    connected = socket.create_connection((host, port), CONNECT_SECONDS)
    try:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        _limit_unacknowledged(connected)
        connected.settimeout(statement_seconds + MARGIN_SECONDS)
        yield connected
    except BaseException:
        connected.close()
        raise


def _limit_unacknowledged(connected: socket.socket) -> None:
    """Give a peer that vanished without a word (a failover) up when it acknowledges nothing for `READ_SECONDS`."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # not on macOS
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, READ_SECONDS * 1000)


def _tls() -> ssl.SSLContext:
    """Trust the roots that PGSSLROOTCERT names, as PostgreSQL's own clients do, or else those of RDS."""
    with as_file(files(__package__).joinpath("rds-roots.pem")) as roots:
        return ssl.create_default_context(cafile=os.environ.get("PGSSLROOTCERT") or roots)
