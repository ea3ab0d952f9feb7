"""Runs a Valkey server that listens on a Unix socket. Clients use the commands that ElastiCache allows."""

from __future__ import annotations

import hashlib
import secrets
import socket
import subprocess
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tools.localcloud.servers import owner
from tools.localcloud.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.localcloud.servers.binaries import Binaries

ADMINISTRATOR: Final = "localcloud"
"""The local cloud's own user, whose password is new at each start and in no file."""
RESTRICTED: Final = (
    "acl", "bgrewriteaof", "bgsave", "cluster|failover", "config", "debug", "failover", "migrate", "module", "psync",
    "replicaof", "save", "shutdown", "slaveof", "sync",
)  # fmt: skip
"""https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/RestrictedCommands.html"""
CONNECT_SECONDS: Final = 5
SETTINGS: Final = {
    "port": "0",
    "unixsocket": "valkey.sock",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "no",  # as PostgreSQL's fsync: a kill loses nothing that was written, only a loss of power would
    "save": "",
    "maxmemory": "512mb",  # that of cache.t3.micro (ElastiCache User Guide, "Node-type specific parameters")
    "daemonize": "no",
}


def hashed(token: str) -> str:
    """Return what is kept of an AUTH token."""
    return hashlib.sha256(token.encode()).hexdigest()


class _RefusedError(Exception):
    """The server's refusal of a command."""


class Valkey(Server):
    """A server of Valkey."""

    not_ready = (OSError, _RefusedError)
    socket = "data/valkey.sock"

    def __init__(self, binaries: Binaries) -> None:
        super().__init__(binaries)
        self._password = secrets.token_hex(32)

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
        self.await_answer()
        for name, value in parameters.items():
            with suppress(_RefusedError):  # a parameter that this server does not have, or cannot change
                self._command(f"CONFIG SET {name} {value}")

    def set_tokens(self, tokens: Sequence[str]) -> None:
        """Let clients log in with the tokens that have these hashes, and with no others; without any, let all in."""
        self._command(f"ACL SETUSER {_client(tokens)}")

    def _command(self, command: str) -> None:
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

    def ask(self) -> None:
        """Send PING."""
        self._command("PING")


def _client(tokens: Sequence[str]) -> str:
    """Return the rule of the user as whom clients log in."""
    login = " ".join(f"#{each}" for each in tokens) if tokens else "nopass"
    return f"default on resetpass {login} ~* &* +@all {' '.join(f'-{each}' for each in RESTRICTED)}"
