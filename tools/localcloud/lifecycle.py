"""Starts, stops and finds the background process of a home, and gives the variables that lead programs to it."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final

import filelock
import psutil
import tenacity

from tools.localcloud import emulator
from tools.localcloud.errors import LocalCloudError
from tools.localcloud.home import Cloud, Files
from tools.localcloud.ministack_adapter import HOST, REGION
from tools.localcloud.servers import binaries, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from tools.localcloud.servers.status import ServerStatus

log = logging.getLogger(__name__)

REPOSITORY: Final = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 30  # for emulator and provider; one is usual
STOP_SECONDS: Final = 20
LOCK_SECONDS: Final = 60  # another start or stop may be under way
REWRITE_SECONDS: Final = 3  # the background process checks `cloud.json` every second
MIN_FREE_BYTES: Final = 2**20  # the emulator's state is half of that after a deploy-all
SERVE: Final = ["-m", "tools.localcloud", "serve"]
# It protects random values of an emulator only. The committed stack files of `local` are encrypted with it.
PASSPHRASE: Final = "local"  # noqa: S105
LACKING: Final = "LOCAL_CLOUD_LACKS"
"""The variable that names the servers which do not run behind the endpoints of databases and caches."""
EMBEDDED: Final = "embedded"
PLUGIN: Final = "plugin"
PROVIDERS: Final = {
    EMBEDDED: "the local cloud's own, which needs no download",
    PLUGIN: "Pulumi's AWS plugin, installed in the user's PULUMI_HOME",
}
"""The Pulumi providers that can connect the engine to the emulator: name -> description."""


@dataclass(frozen=True)
class LocalCloud:
    """The local cloud whose files are in the folder `home`."""

    home: Path
    lock_seconds: float = LOCK_SECONDS
    """How long `start` and `stop` wait for another start or stop."""
    min_free_bytes: int = MIN_FREE_BYTES
    """What the disk must have free, besides twice what the emulator saved last, before it is stopped."""
    launch: Callable[[Files, int], Cloud] = field(default_factory=lambda: launch)
    """Starts the background process on a port; raises `LocalCloudError` if it does not come up."""

    @property
    def _files(self) -> Files:
        return Files(self.home.resolve())

    @property
    def state(self) -> Path:
        """The folder of Pulumi's state."""
        return self._files.state

    def start(self, *, port: int | None = None) -> Path | None:
        """Start the local cloud unless it runs, and wait until it answers.

        Returns:
            Where Pulumi's state was set aside because the emulator had lost its own; None if it is still in place.

        Raises:
            LocalCloudError: the port is taken, the home is not writable, the emulator does not come up, or the system
                is not POSIX.
        """
        if os.name != "posix":
            raise LocalCloudError("the local cloud needs Linux or macOS (on Windows: WSL)")
        files = self._files
        try:
            files.prepare()
        except OSError as error:
            raise LocalCloudError(
                f"the local cloud needs to write into {self.home}, but it is not writable: {error.strerror}"
            ) from None
        with self._locked(files):
            files.prune_histories()
            cloud = _running(files) or _rewritten(files)
            if cloud and _answers(cloud):
                if port not in (None, cloud.port):
                    raise LocalCloudError(
                        f"the local cloud already runs on port {cloud.port}; stop it first with: ./inv local-down"
                    )
                return None
            _stop(files)
            cloud = self._launched(files, port)
        return files.home / cloud.set_aside if cloud.set_aside else None

    def stop(self) -> bool:
        """Stop the local cloud and return whether it was running. The next start continues with its state.

        Raises:
            LocalCloudError: the disk is full, and the local cloud goes on; or it was stopped and did not save.
        """
        files = self._files
        if not files.home.is_dir():
            return False
        with self._locked(files):
            emulating = any("emulator.child" in " ".join(each.info["cmdline"]) for each in _processes(files))
            if emulating:
                _require_space(files, self.min_free_bytes)
            stopped = _stop(files)
            if emulating and files.unsaved.exists():
                raise LocalCloudError(
                    f"the local cloud is stopped, but its emulator did not save the last changes (its log is "
                    f"{files.log}): the next start begins empty, and moves Pulumi's state aside"
                )
            return stopped

    def status(self) -> Cloud | None:
        """Return the running local cloud; None if the background process or its emulator does not run."""
        cloud = _running(self._files)
        return cloud if cloud and _answers(cloud) else None

    def variables(self) -> dict[str, str]:
        """Return the environment variables that lead a program, Pulumi's CLI or boto3 to the local cloud.

        Raises:
            LocalCloudError: the local cloud does not run, or the chosen plugin is no longer installed.
        """
        files = self._files
        cloud = _running(files)
        if cloud is None:
            raise LocalCloudError("the local cloud is not running; start it with: ./inv local-env")
        key = files.read_key()
        return {
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_ACCESS_KEY_ID": key.identity,
            "AWS_SECRET_ACCESS_KEY": key.secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            LACKING: files.read_lacking(),
            "PULUMI_HOME": str(_plugin_home(files) if self.provider == PLUGIN else files.pulumi),
            # The metadata file of each checkpoint has no reader; an engine killed while it writes one leaves a stack
            # that cannot be read.
            "PULUMI_BACKEND_URL": f"{files.state.as_uri()}?metadata=skip",
            "PULUMI_DISABLE_CHECKPOINT_BACKUPS": "true",  # a copy of the state for every update, which nobody reads
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }

    def trust(self) -> dict[str, str]:
        """Return the variables by which clients of databases and caches verify them; none if it has no servers."""
        return self._files.trust() if self._files.ca.exists() else {}

    def servers(self) -> list[ServerStatus]:
        """Return what is behind the endpoints of databases and caches; nothing if the local cloud does not answer."""
        cloud = self.status()
        try:
            return emulator.servers(cloud.port, self._files.read_key()) if cloud else []
        except (OSError, HTTPException, ValueError):
            return []

    def created(self, urns: Iterable[str]) -> dict[str, str]:
        """Return the ids of those of `urns` that the local cloud has created, even if no engine heard of it."""
        known = self._files.created()
        return {urn: known[urn] for urn in urns if urn in known}

    @property
    def provider(self) -> str:
        """The one of `PROVIDERS` that engines use."""
        chosen = self._files.read_provider()
        return chosen if chosen in PROVIDERS else EMBEDDED

    def choose_provider(self, name: str) -> None:
        """Make engines use the provider `name` from now on.

        Raises:
            LocalCloudError: `name` is not one of `PROVIDERS`, or the plugin is not installed.
        """
        if name not in PROVIDERS:
            raise LocalCloudError(f"there is no provider {name!r}; there are: {', '.join(PROVIDERS)}")
        files = self._files
        if name == PLUGIN:
            _plugin_home(files)
        files.prepare()
        files.write_provider(name)

    def _locked(self, files: Files) -> AbstractContextManager[object]:
        try:
            return filelock.FileLock(files.lock, timeout=self.lock_seconds, mode=0o600).acquire()
        except filelock.Timeout:
            raise LocalCloudError(
                f"another ./inv has been starting or stopping the local cloud for {self.lock_seconds} s; "
                "wait, or end it"
            ) from None

    def _launched(self, files: Files, port: int | None) -> Cloud:
        """Launch the background process, again if another program takes the port in the meantime."""
        files.prune_notes()
        # Here, because the background process has not the user's proxies.
        lacking = [name for name, each in binaries.SERVERS.items() if binaries.find(name, each) is None]
        files.write_lacking(", ".join(lacking))
        chosen = _port(files, port)
        try:
            cloud = self.launch(files, chosen)
        except LocalCloudError:
            if _free(chosen):
                raise
            cloud = self.launch(files, _port(files, port))
        last = files.port()
        if last in (None, cloud.port) or not files.has_state():
            files.write_port(cloud.port)
        else:
            log.warning(
                "the local cloud has port %s now; outputs with its port %s, as URLs of queues, lead nowhere until "
                "that port is free and the local cloud starts again: ./inv local-down, then ./inv local-env",
                cloud.port, last,
            )  # fmt: skip
        return cloud


def _plugin_home(files: Files) -> Path:
    """Return the user's PULUMI_HOME.

    Raises:
        LocalCloudError: the AWS plugin is not installed in it.
    """
    named = os.environ.get("PULUMI_HOME")
    home = Path(named) if named and Path(named) != files.pulumi else Path.home() / ".pulumi"
    version = importlib.metadata.version("pulumi-aws")
    if not (home / "plugins" / f"resource-aws-v{version}").is_dir():
        raise LocalCloudError(
            f"the AWS plugin {version} is not installed in {home}: pulumi plugin install resource aws v{version}; "
            "or go back with ./inv local-env --provider embedded"
        )
    return home


def _running(files: Files) -> Cloud | None:
    """Return what `cloud.json` says if that process still serves this home: the file may be old, or a copy."""
    cloud = files.read_cloud()
    try:
        serving = cloud and _serves(psutil.Process(cloud.pid).cmdline(), files)
    except psutil.Error:
        return None
    return cloud if serving else None


def _answers(cloud: Cloud) -> bool:
    return psutil.pid_exists(cloud.emulator_pid) and emulator.healthy(cloud.port, seconds=10)


def _serves(command: list[str], files: Files) -> bool:
    return command[1:5] == [*SERVE, str(files.home)]


def _processes(files: Files) -> list[psutil.Process]:
    """Find the background process and the emulator of this home by their working directory, not by its files."""
    found = psutil.process_iter(["cmdline", "cwd"])
    return [
        each
        for each in found
        if each.info["cwd"] == str(files.home) and "tools.localcloud" in " ".join(each.info["cmdline"] or ())
    ]


def _rewritten(files: Files) -> Cloud | None:
    """Return the local cloud that runs without a valid `cloud.json`, once its process has written the file again."""
    serving = next((each for each in _processes(files) if _serves(each.info["cmdline"], files)), None)
    return _await(lambda: _running(files), REWRITE_SECONDS, serving.is_running) if serving else None


def _await(found: Callable[[], Cloud | None], seconds: float, hope: Callable[[], bool]) -> Cloud | None:
    waiting = tenacity.Retrying(
        wait=tenacity.wait_fixed(0.02),
        stop=tenacity.stop_after_delay(seconds),
        retry=tenacity.retry_if_result(lambda cloud: cloud is None and hope()),
        retry_error_callback=lambda _state: None,
    )
    return waiting(found)


def _port(files: Files, asked: int | None) -> int:
    if asked is not None:
        if not _free(asked):
            raise LocalCloudError(
                f"port {asked} is taken by another program; choose another one with --port, or none for a free one"
            )
        return asked
    last = files.port()
    return last if last and _free(last) else _any_free()


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def launch(files: Files, port: int) -> Cloud:
    """Start the background process of a home on `port` and wait until its emulator answers.

    Raises:
        LocalCloudError: it does not come up.
    """
    # The user's profiles, endpoints and proxies are meant for other clouds.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "MINISTACK_")) and not name.lower().endswith("_proxy")
    }
    search = os.pathsep.join(filter(None, (str(REPOSITORY), kept.get("PYTHONPATH"))))
    files.log.touch(0o600)
    with files.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *SERVE, str(files.home), str(port)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=files.home,
            env=kept | {"PYTHONPATH": search},
        )  # fmt: skip
    cloud = _await(files.read_cloud, START_SECONDS, lambda: process.poll() is None)
    if cloud is None:
        if process.poll() is None:
            process.kill()
        words = " / ".join(_last_lines(files.log))
        raise LocalCloudError(
            f"the local cloud did not start; its log {files.log} ends: {words or '(nothing: is the disk full?)'}"
        )
    return cloud


def _require_space(files: Files, min_free_bytes: int) -> None:
    """Check that the disk has room for the emulator's state, and for as much again.

    Raises:
        LocalCloudError: it has not.
    """
    size = sum(path.stat().st_size for path in files.emulator.rglob("*") if path.is_file())
    needed, free = 2 * size + min_free_bytes, shutil.disk_usage(files.home).free
    if free < needed:
        raise LocalCloudError(
            f"the local cloud goes on running, because the disk is too full to save its state ({free >> 10} KiB are "
            f"free, {needed >> 10} needed): free disk space, then ./inv local-down"
        )


def _last_lines(log: Path, count: int = 3) -> Iterator[str]:
    return (line.strip() for line in log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-count:])


def _stop(files: Files) -> bool:
    """End all processes of a home and return whether any ran.

    They end gracefully, so that the emulator saves its state; after `STOP_SECONDS` they are killed.
    """
    processes = _processes(files)
    for each in processes:
        if "serve" in each.info["cmdline"]:  # the emulator ends with it, or by itself where it is an orphan
            each.terminate()
    _gone, left = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for each in left:
        each.kill()
    psutil.wait_procs(left, timeout=STOP_SECONDS)
    owner.stop_home(files.servers)  # those of an emulator that was killed
    files.cloud.unlink(missing_ok=True)
    return bool(processes)
