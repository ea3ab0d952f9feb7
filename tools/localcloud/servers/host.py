"""Runs a server and its proxy as a process of its own, which ends with the process that started it.

Its arguments are the numbers of two inherited sockets: calls come by one, questions about tokens go by the other. Its
working directory is the server's folder.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import sys
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.servers.certificates import write_server
from tools.localcloud.servers.proxy import PostgreSQLProxy, open_valkey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.localcloud.servers.binaries import Binaries
    from tools.localcloud.servers.postgresql import Master, PostgreSQL
    from tools.localcloud.servers.server import Server
    from tools.localcloud.servers.valkey import Valkey

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
"""The only address of the loopback network that macOS has."""
CERTIFICATE: Final = Path("server.pem")


@dataclass(frozen=True)
class Endpoint:
    """Where clients find a server."""

    address: str
    port: int


@dataclass(frozen=True)
class Start:
    """What a host needs to know of its server; the classes below say what kind of server it is."""

    binaries: Binaries
    wanted: Endpoint
    """If the port is taken, another one is opened; if the machine does not have the address, 127.0.0.1."""
    authority_key: bytes = field(repr=False)
    parameters: Mapping[str, str]
    """Of the parameter group."""


@dataclass(frozen=True)
class StartPostgreSQL(Start):
    created: Master | None = None
    """The master user, if the server is new."""


@dataclass(frozen=True)
class StartValkey(Start):
    tokens: Sequence[str] = ()
    """The hashes of the AUTH tokens."""
    new: bool = False


class Host(ABC):
    """A server and its proxy."""

    server: Server

    @abstractmethod
    def start(self) -> None:
        """Start the server; create it first if it is new."""

    @abstractmethod
    async def open(self, at: Endpoint, context: ssl.SSLContext) -> asyncio.Server:
        """Open the proxy's port."""

    @abstractmethod
    def call(self, *words: Any) -> None:
        """Do what the local cloud calls for."""


class PostgreSQLHost(Host):
    server: PostgreSQL

    def __init__(self, start: StartPostgreSQL, questions: Connection) -> None:
        from tools.localcloud.servers import postgresql  # noqa: PLC0415 - a host needs one kind only

        self._start = start
        self._questions = questions
        self._asking = threading.Lock()
        self.server = postgresql.PostgreSQL(start.binaries)

    def start(self) -> None:
        if self._start.created:
            self.server.create()
        self.server.start(self._start.parameters)
        if self._start.created:
            self.server.create_master(self._start.created)

    async def open(self, at: Endpoint, context: ssl.SSLContext) -> asyncio.Server:
        proxy = PostgreSQLProxy(context, self.server.socket, self.server.login, self._refusal)
        return await proxy.open(at.address, at.port)

    def call(self, *words: Any) -> None:
        self.server.set_password(*words)

    def _refusal(self, user: str, token: str) -> str | None:
        with self._asking:
            self._questions.send((user, token))
            answer: str | None = self._questions.recv()
            return answer


class ValkeyHost(Host):
    server: Valkey

    def __init__(self, start: StartValkey) -> None:
        from tools.localcloud.servers import valkey  # noqa: PLC0415 - a host needs one kind only

        self._start = start
        self.server = valkey.Valkey(start.binaries)

    def start(self) -> None:
        if self._start.new:
            self.server.create()
        self.server.start(self._start.parameters, self._start.tokens)

    async def open(self, at: Endpoint, context: ssl.SSLContext) -> asyncio.Server:
        return await open_valkey(at.address, at.port, context, self.server.socket)

    def call(self, *words: Any) -> None:
        self.server.set_tokens(words)


async def _open(host: Host, wanted: Endpoint, authority_key: bytes) -> tuple[asyncio.Server, Endpoint]:
    """Open the proxy's port as near to where it is wanted as it goes, and return where it is."""
    places = [Endpoint(address, port) for address in (wanted.address, HOST) for port in (wanted.port, 0)]
    for place in places:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        write_server(CERTIFICATE, place.address, authority_key)
        context.load_cert_chain(CERTIFICATE)
        try:
            server = await host.open(place, context)
        except OSError as error:
            fault = error
        else:
            address, port = server.sockets[0].getsockname()
            return server, Endpoint(address, port)
    raise fault


def _follow(calls: Connection, host: Host) -> None:
    """Do what is called for until the other side ends."""
    while True:
        try:
            words = calls.recv()
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGTERM)
            return
        try:
            host.call(*words)
        except Exception as error:  # noqa: BLE001 - the other side has to hear of any
            calls.send(LocalCloudError(f"{error}"))
        else:
            calls.send(None)


async def _run(calls: Connection, questions: Connection) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    start = calls.recv()
    host: Host = PostgreSQLHost(start, questions) if isinstance(start, StartPostgreSQL) else ValkeyHost(start)
    try:
        await asyncio.to_thread(host.start)
        server, endpoint = await _open(host, start.wanted, start.authority_key)
        calls.send(endpoint)
        threading.Thread(target=_follow, args=(calls, host), daemon=True).start()
        ended = asyncio.create_task(asyncio.to_thread(host.server.wait))
        await asyncio.wait({ended, asyncio.create_task(stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            log.error("%s has ended by itself or was killed (exit code %s)", start.binaries, ended.result())
        server.close()
    except Exception as error:  # noqa: BLE001 - the other side has to hear of any
        calls.send(error if isinstance(error, LocalCloudError) else LocalCloudError(f"{start.binaries}: {error}"))
    finally:
        host.server.stop()


def main() -> None:
    """Serve the sockets that the command line names."""
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    calls, questions = (Connection(int(number)) for number in sys.argv[1:])
    asyncio.run(_run(calls, questions))
