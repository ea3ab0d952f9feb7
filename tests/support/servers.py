"""Runs a real PostgreSQL and a real Valkey for tests, without the local cloud around them.

with servers(folder) as stores:
    stores.postgresql.endpoint, stores.valkey.endpoint, stores.ca
"""

from __future__ import annotations

import shutil
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.localcloud.servers import binaries, owner
from tools.localcloud.servers.fleet import Fleet
from tools.localcloud.servers.postgresql import Master
from tools.localcloud.servers.valkey import hashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import psutil

    from tools.localcloud.servers.binaries import Find
    from tools.localcloud.servers.host import Endpoint
    from tools.localcloud.servers.server_process import Refusal

DATABASE = "transactions"
MASTER = Master("txadmin", "master-password-of-the-tests", DATABASE)
AUTH_TOKEN = "auth-token-of-the-tests"  # noqa: S105 - of servers that end with the test
IAM_TOKEN = "iam-token-of-the-tests"  # noqa: S105 - as above
"""The only token that a member of rds_iam can log in with, unless a test gives a `refusal` of its own."""


def only_iam_token(_user: str, token: str) -> str | None:
    return None if token == IAM_TOKEN else "it is another token"


@dataclass
class Store:
    """A server. Its endpoint stays the same when it is started again."""

    fleet: Fleet
    identity: str
    endpoint: Endpoint
    folder: Path
    restart: Callable[[], object] = field(repr=False)
    """Starts it again, after `stop` or `kill`, with its data."""

    def stop(self) -> None:
        """Stop the server and close its port."""
        self.fleet.stop(self.identity)

    def kill(self) -> None:
        """Kill the server (SIGKILL), and close its port."""
        for each in self.processes():
            each.send_signal(signal.SIGKILL)
        self.fleet.stop(self.identity)

    def processes(self) -> list[psutil.Process]:
        return owner.working_in(self.folder / self.identity / "data")


@dataclass(frozen=True)
class Stores:
    postgresql: Store
    valkey: Store
    ca: Path
    """The certificate by which both are verified."""


@contextmanager
def servers(
    folder: Path,
    *,
    refusal: Refusal = only_iam_token,
    parameters: Mapping[str, str] | None = None,
    postgresql: Sequence[Find] = binaries.POSTGRESQL,
) -> Iterator[Stores]:
    """Run a PostgreSQL with `MASTER`, and a Valkey with `AUTH_TOKEN`, both in a folder of the test's own."""
    ca = folder / "ca.pem"
    fleet = Fleet(folder / "servers", ca, folder / "ca.key", postgresql=postgresql)
    given = parameters or {}
    tokens = [hashed(AUTH_TOKEN)]
    try:
        database = fleet.create_postgresql("db", 5432, MASTER, given, refusal)
        cache = fleet.create_valkey("cache", 6379, {}, tokens)
        assert database, "no PostgreSQL runs on this machine"
        assert cache, "no Valkey runs on this machine"
        servers = fleet.prepare().folder
        yield Stores(
            Store(fleet, "db", database, servers, lambda: fleet.start_postgresql("db", database, given, refusal)),
            Store(fleet, "cache", cache, servers, lambda: fleet.start_valkey("cache", cache, {}, tokens)),
            ca,
        )
    finally:
        fleet.delete_others(set())
        fleet.stop_all()


def remove_servers(home: Path) -> None:
    """Remove what a local cloud's servers have, which a home of root has elsewhere."""
    folder = (home / "servers").resolve()
    if folder.exists():
        owner.stop_all(folder)
        shutil.rmtree(folder, ignore_errors=True)  # the emulator may do the same as it ends
