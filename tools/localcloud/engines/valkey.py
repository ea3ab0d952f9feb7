"""Runs a Valkey server that listens on a Unix socket. Clients use the commands that ElastiCache allows."""

from __future__ import annotations

import hashlib
import secrets
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import tenacity

from tools.localcloud.engines import owner
from tools.localcloud.errors import LocalCloudError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.localcloud.engines.binaries import Binaries

ADMINISTRATOR: Final = "localcloud"
"""The local cloud's own user, whose password is new at each start and in no file."""
RESTRICTED: Final = (
    "acl", "bgrewriteaof", "bgsave", "cluster|failover", "config", "debug", "failover", "migrate", "module", "psync",
    "replicaof", "save", "shutdown", "slaveof", "sync",
)  # fmt: skip
"""https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/RestrictedCommands.html"""
START_SECONDS: Final = 30  # 0.05 is usual; a large snapshot takes longer to load
STOP_SECONDS: Final = 10
CONNECT_SECONDS: Final = 5
SETTINGS: Final = {
    "port": "0",
    "unixsocket": "valkey.sock",
    "unixsocketperm": "700",
    "save": "3600 1",  # and at each stop
    "appendonly": "no",
    "maxmemory": "512mb",  # that of cache.t3.micro (ElastiCache User Guide, "Node-type specific parameters")
    "daemonize": "no",
}


def hashed(token: str) -> str:
    """Return what is kept of an AUTH token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Valkey:
    """A server whose data is in the folder `data` of the working directory."""

    def __init__(self, binaries: Binaries) -> None:
        self._binaries = binaries
        self._data = Path("data").absolute()
        self._log = Path("server.log").absolute()
        self.socket = "data/valkey.sock"
        self._password = secrets.token_hex(32)
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        self._data.mkdir(mode=0o700)
        owner.give(self._data)

    def start(self, parameters: Mapping[str, str], tokens: Sequence[str]) -> None:
        """Start the server with a parameter group's parameters and the hashes of its AUTH tokens, and wait for it.

        Raises:
            LocalCloudError: it does not start.
        """
        users = [_client(tokens), f"{ADMINISTRATOR} on #{hashed(self._password)} ~* &* +@all"]
        lines = [*(f'{name} "{value}"' for name, value in SETTINGS.items()), *(f"user {each}" for each in users)]
        program = next(self._binaries.folder.glob("*-server"))
        with self._log.open("wb") as log, tempfile.TemporaryFile(dir=self._data) as settings:
            settings.write("\n".join(lines).encode())
            settings.seek(0)
            self._process = subprocess.Popen(
                [program, "-"],
                stdin=settings, stdout=log, stderr=log, cwd=self._data, env={}, **owner.process_user(),
            )  # fmt: skip
        waiting = tenacity.Retrying(
            wait=tenacity.wait_fixed(0.01),
            stop=tenacity.stop_after_delay(START_SECONDS),
            retry=tenacity.retry_if_exception_type((OSError, _RefusedError)),
            reraise=True,
        )
        try:
            waiting(self._require_answer)
        except (OSError, _RefusedError) as error:
            self.stop()
            raise LocalCloudError(f"{self._binaries} does not answer: {error}") from None
        for name, value in parameters.items():
            with suppress(_RefusedError):  # a parameter that this server does not have, or cannot change
                self._ask(f"CONFIG SET {name} {value}")

    def stop(self) -> None:
        """Stop the server, which saves its data first; kill it if that takes longer than `STOP_SECONDS`."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait(self) -> int:
        """Wait until the server ends, and return its exit code."""
        return self._process.wait() if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def set_tokens(self, tokens: Sequence[str]) -> None:
        """Let clients log in with the tokens that have these hashes, and with no others; without any, let all in."""
        self._ask(f"ACL SETUSER {_client(tokens)}")

    def _ask(self, command: str) -> None:
        """Send a command in Redis's inline form, for which importing a client would take half a second.

        Raises:
            OSError: the server does not listen.
            _RefusedError: it refuses the command.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(CONNECT_SECONDS)
            connection.connect(self.socket)
            connection.sendall(f"AUTH {ADMINISTRATOR} {self._password}\r\n{command}\r\n".encode())
            with connection.makefile("r", encoding="utf-8") as answers:
                for _ in range(2):
                    answer = answers.readline().strip()
                    if not answer.startswith("+"):
                        raise _RefusedError(answer)

    def _require_answer(self) -> None:
        if not self.running:
            said = self._log.read_text("utf-8", "replace").strip().splitlines() or ["it says nothing"]
            raise LocalCloudError(f"{self._binaries} does not start: {said[-1]}")
        self._ask("PING")


class _RefusedError(Exception):
    """The server's refusal of a command."""


def _client(tokens: Sequence[str]) -> str:
    """Return the rule of the user as whom clients log in."""
    login = " ".join(f"#{each}" for each in tokens) if tokens else "nopass"
    return f"default on resetpass {login} ~* &* +@all {' '.join(f'-{each}' for each in RESTRICTED)}"
