"""Start, stop and ask after the local cloud of a clone, and tell programs how to reach it."""

from __future__ import annotations

import importlib.metadata
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import filelock
import psutil
import tenacity

from tools.localcloud import emulator
from tools.localcloud.errors import LocalCloudError
from tools.localcloud.home import Cloud, Files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

REPOSITORY: Final = Path(__file__).resolve().parents[2]
START_SECONDS: Final = 30  # of the whole; it takes about one
STOP_SECONDS: Final = 20
LOCK_SECONDS: Final = 60  # another start or stop may be under way
REWRITE_SECONDS: Final = 3  # the background process looks at `cloud.json` every second
SERVE: Final = ["-m", "tools.localcloud", "serve"]
# It guards the random values of an emulator, nothing else; the committed stack files of `local` belong to it.
PASSPHRASE: Final = "local"  # noqa: S105
EMBEDDED: Final = "embedded"
PLUGIN: Final = "plugin"
PROVIDERS: Final = {
    EMBEDDED: "the local cloud's own, which needs no download",
    PLUGIN: "Pulumi's AWS plugin, installed in the user's PULUMI_HOME",
}
"""What may stand between the engine and the emulator."""


@dataclass(frozen=True)
class Started:
    """What `start` did; `set_aside` is where Pulumi's state went when the emulator had lost its own."""

    cloud: Cloud
    already_running: bool
    set_aside: Path | None = None


def start(home: Path, *, port: int | None = None) -> Started:
    """Start the local cloud of `home`, or find it running; it answers when this returns.

    Raises `LocalCloudError` when the port is taken, the home cannot be written, the emulator does not come up or the
    system is not POSIX.
    """
    if os.name != "posix":
        raise LocalCloudError("the local cloud needs Linux or macOS (on Windows: WSL)")
    files = Files(home.resolve())
    try:
        files.prepare()
    except OSError as error:
        raise LocalCloudError(
            f"the local cloud needs to write into {home}, which does not go: {error.strerror}"
        ) from None
    with _locked(files):
        cloud = _running(files) or _rewritten(files)
        if cloud and _answers(cloud):
            if port not in (None, cloud.port):
                raise LocalCloudError(
                    f"the local cloud already runs on port {cloud.port}; stop it first with: ./inv local-down"
                )
            return Started(cloud, already_running=True)
        _stop(files)
        chosen = _port(files, port)
        try:
            cloud = _launch(files, chosen)
        except LocalCloudError:
            if _free(chosen):
                raise
            cloud = _launch(files, _port(files, port))  # another program was quicker
    return Started(cloud, already_running=False, set_aside=files.home / cloud.set_aside if cloud.set_aside else None)


def status(home: Path) -> Cloud | None:
    """The local cloud of `home` if it runs, its emulator included."""
    cloud = _running(Files(home.resolve()))
    return cloud if cloud and _answers(cloud) else None


def created(home: Path, urns: Iterable[str]) -> dict[str, str]:
    """The ids of those of `urns` that the local cloud has made, whether or not an engine heard of it."""
    known = Files(home.resolve()).created()
    return {urn: known[urn] for urn in urns if urn in known}


def stop(home: Path) -> bool:
    """Stop the local cloud; the next start goes on with its state. Answers whether it was running."""
    files = Files(home.resolve())
    if not files.home.is_dir():
        return False
    with _locked(files):
        return _stop(files)


def chosen_provider(home: Path) -> str:
    """Which of `PROVIDERS` the local cloud of `home` is used through."""
    chosen = Files(home.resolve()).read_provider()
    return chosen if chosen in PROVIDERS else EMBEDDED


def choose_provider(home: Path, name: str) -> None:
    """Use the local cloud of `home` through `name` from now on.

    Raises `LocalCloudError` when there is no such provider, or the plugin is not installed.
    """
    if name not in PROVIDERS:
        raise LocalCloudError(f"there is no provider {name!r}; there are: {', '.join(PROVIDERS)}")
    files = Files(home.resolve())
    if name == PLUGIN:
        _plugin_home(files)
    files.prepare()
    files.write_provider(name)


def _plugin_home(files: Files) -> Path:
    """The user's PULUMI_HOME, with the AWS plugin in it."""
    named = os.environ.get("PULUMI_HOME")
    home = Path(named) if named and Path(named) != files.pulumi else Path.home() / ".pulumi"
    version = importlib.metadata.version("pulumi-aws")
    if not (home / "plugins" / f"resource-aws-v{version}").is_dir():
        raise LocalCloudError(
            f"the AWS plugin {version} is not installed in {home}: pulumi plugin install resource aws v{version}; "
            "or go back with ./inv local-env --provider embedded"
        )
    return home


def environment(home: Path) -> dict[str, str]:
    """What a program, Pulumi's CLI or boto3 needs to use the local cloud.

    Raises `LocalCloudError` when it is not running, or its provider is a plugin that is not installed any more.
    """
    files = Files(home.resolve())
    cloud = _running(files)
    if cloud is None:
        raise LocalCloudError("the local cloud is not running; start it with: ./inv local-env")
    return {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": emulator.REGION,
        "AWS_DEFAULT_REGION": emulator.REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PULUMI_HOME": str(_plugin_home(files) if chosen_provider(home) == PLUGIN else files.pulumi),
        # Nobody needs the metadata beside each file, and an engine killed while writing it leaves a stack unreadable.
        "PULUMI_BACKEND_URL": f"{files.state.as_uri()}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def _locked(files: Files) -> AbstractContextManager[object]:
    try:
        return filelock.FileLock(files.lock, timeout=LOCK_SECONDS, mode=0o600).acquire()
    except filelock.Timeout:
        raise LocalCloudError(
            f"another ./inv has been starting or stopping the local cloud for {LOCK_SECONDS} s; wait, or end it"
        ) from None


def _running(files: Files) -> Cloud | None:
    """What `cloud.json` says, if that process still serves this home: the file may be an old one, or a copy."""
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
    """The background process and the emulator of this home, which both work in it, whatever its files say."""
    found = psutil.process_iter(["cmdline", "cwd"])
    return [
        each
        for each in found
        if each.info["cwd"] == str(files.home) and "tools.localcloud" in " ".join(each.info["cmdline"] or ())
    ]


def _rewritten(files: Files) -> Cloud | None:
    """The local cloud that runs although `cloud.json` does not say so, once its process has mended that."""
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
    last = files.last_port()
    return last if last and _free(last) else _any_free()


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((emulator.HOST, port))
        except OSError:
            return False
    return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind((emulator.HOST, 0))
        return int(probe.getsockname()[1])


def _launch(files: Files, port: int) -> Cloud:
    # Profiles, other endpoints and proxies of the user's are for other clouds than this one.
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


def _last_lines(log: Path, count: int = 3) -> Iterator[str]:
    return (line.strip() for line in log.read_text(errors="replace").strip().splitlines()[-count:])


def _stop(files: Files) -> bool:
    """Gracefully, so that the emulator saves its state; by force after a bound. Answers whether anything ran."""
    processes = _processes(files)
    for each in processes:
        if "serve" in each.info["cmdline"]:  # the emulator ends with it, or by itself where it is an orphan
            each.terminate()
    _gone, left = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for each in left:
        each.kill()
    psutil.wait_procs(left, timeout=STOP_SECONDS)
    files.cloud.unlink(missing_ok=True)
    return bool(processes)
