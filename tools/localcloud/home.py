"""The local cloud's home: which file is where, and what is in it."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final
from uuid import uuid4

if TYPE_CHECKING:
    from pathlib import Path

# The engine takes any executable for a plugin. This one only tells the port of the provider that already runs
# and stays until the engine closes its input, so that no command waits for the provider's start. `read` is part
# of the shell: nothing is left behind.
PLUGIN: Final = """\
#!/bin/sh
# Tell Pulumi's engine the port of the local cloud's provider. Written by txmon; do not edit.
case "${AWS_ENDPOINT_URL:-http://127.0.0.1:}" in
    http://127.0.0.1:* | http://localhost:* | "http://[::1]:"*) ;;
    *)
        echo "the local cloud's provider only talks to this machine, not to AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL" >&2
        exit 1
        ;;
esac
cloud="$(dirname "$0")/../../../cloud.json"
number() { sed -n 's/.*"'"$1"'": \\([0-9][0-9]*\\).*/\\1/p' "$cloud" 2>/dev/null; }
pid=$(number pid)
if [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null; then
    echo "the local cloud is not running; start it with: ./inv local-env" >&2
    exit 1
fi
number provider_port
while read -r _; do :; done
"""


@dataclass(frozen=True)
class Cloud:
    """A local cloud that runs: `pid` is the background process's, `port` the emulator's, on 127.0.0.1."""

    pid: int
    emulator_pid: int
    port: int
    provider_port: int
    started: str
    set_aside: str | None = None  # in the home

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Files:
    """The files of a home; all of it is private to the user (0700)."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cloud = home / "cloud.json"
        self.lock = home / "lock"
        self.log = home / "cloud.log"
        self._created = home / "created"
        self.pulumi = home / "pulumi"
        self.state = home / "state"
        self._token = home / "token"
        self._port = home / "port"
        self._provider = home / "provider"

    def prepare(self) -> None:
        """Make the folders and the plugin."""
        version = importlib.metadata.version("pulumi-aws")
        plugin = self.pulumi / "plugins" / f"resource-aws-v{version}" / "pulumi-resource-aws"
        for folder in (self.home, self.state, self.pulumi, plugin.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.home.chmod(0o700)
        if not plugin.exists() or plugin.read_text() != PLUGIN:
            self._write(plugin, PLUGIN, mode=0o700)

    def read_cloud(self) -> Cloud | None:
        try:
            return Cloud(**json.loads(self.cloud.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write_cloud(self, cloud: Cloud) -> None:
        self._write(self._port, str(cloud.port))
        self._write(self.cloud, json.dumps(asdict(cloud), indent=2) + "\n")

    def last_port(self) -> int | None:
        """The emulator's port of the last time: queue URLs, which are ids, have it in them."""
        try:
            return int(self._port.read_text())
        except (OSError, ValueError):
            return None

    def read_provider(self) -> str | None:
        """Which provider was chosen for this cloud; None if nobody has chosen."""
        return self._provider.read_text() if self._provider.exists() else None

    def write_provider(self, name: str) -> None:
        self._write(self._provider, name)

    def read_token(self) -> str:
        return self._token.read_text() if self._token.exists() else ""

    def write_token(self, token: str) -> None:
        self._write(self._token, token)

    def note_created(self, urn: str, identity: str) -> None:
        """Remember what was made: an engine that is killed while it waits for the answer will not know."""
        with self._created.open("a") as file:
            file.write(f"{urn}\t{identity}\n")

    def created(self) -> dict[str, str]:
        """URN -> id of everything ever made here; the newest counts."""
        if not self._created.exists():
            return {}
        lines = (line.split("\t", 1) for line in self._created.read_text().splitlines())
        return {urn: identity[0] for urn, *identity in lines if identity}  # a full disk leaves half a line

    def has_state(self) -> bool:
        """Whether Pulumi has any stack here."""
        return any((self.state / ".pulumi" / "stacks").rglob("*.json"))

    def set_state_aside(self, name: str) -> str:
        """Move Pulumi's state away; answers where to, within the home."""
        aside = self.home / "set-aside" / name
        aside.parent.mkdir(mode=0o700, exist_ok=True)
        self.state.rename(aside)
        self._created.unlink(missing_ok=True)
        self.state.mkdir(mode=0o700)
        return str(aside.relative_to(self.home))

    @staticmethod
    def _write(path: Path, text: str, mode: int = 0o600) -> None:
        """All or nothing: a reader never sees half a file, and of two writers one is the last."""
        fresh = path.with_name(f"{path.name}.{uuid4()}")
        try:
            fresh.touch(mode)
            fresh.write_text(text)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
