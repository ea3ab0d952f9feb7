"""Runs the AWS emulator as a child process that ends with its parent, and asks for its health.

The child watches a pipe whose other end the parent holds, which works on every system.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Final

import tenacity

from tools.localcloud import ministack_adapter
from tools.localcloud.home import Files
from tools.localcloud.ministack_adapter import HOST
from tools.localcloud.processes import end
from tools.localcloud.servers.status import SERVERS, STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.localcloud.home import AccessKey
    from tools.localcloud.servers.status import ServerStatus

START_SECONDS: Final = 20  # 0.3 is usual; a loaded machine takes longer
STOP_SECONDS: Final = 15  # up to 3.5 is usual when idle
RESET_SECONDS: Final = 30
SERVERS_SECONDS: Final = 10
POLL_SECONDS: Final = 0.02
START_SERVERS_SECONDS: Final = 90  # one is usual
INHERITED: Final = (
    "PATH", "HOME", "XDG_CACHE_HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "TXMON_LOCAL_ENGINES",
)  # fmt: skip


def spawn(port: int, home: Path = Path()) -> subprocess.Popen[bytes]:
    """Start the emulator on `port`, with its state in the folder `home`, which may be moved while it runs.

    Of the user's environment variables, the emulator gets those in `INHERITED` only.
    """
    Files(home).prepare_emulator()
    state, scratch = Files(Path()).emulator, Path("tmp")
    (home / scratch).mkdir(mode=0o700, exist_ok=True)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    settings = ministack_adapter.settings(port, state, scratch)
    settings |= Files(home).trust()  # for functions, which inherit them
    return subprocess.Popen(
        [sys.executable, "-c", f"from tools.localcloud import emulator; emulator.child({port})"],
        stdin=subprocess.PIPE, env=inherited | settings, cwd=home,
    )  # fmt: skip


def child(port: int) -> None:
    """Run the emulator in this process until the parent ends. The working directory is the home."""

    def watch() -> None:
        os.read(sys.stdin.fileno(), 1)  # not through Python's buffer, whose lock would abort the exit
        os.kill(os.getpid(), signal.SIGTERM)

    os.umask(0o077)
    threading.Thread(target=watch, daemon=True).start()
    ministack_adapter.run(port, Files(Path()))


def healthy(port: int, seconds: float = 2) -> bool:
    """Return whether the emulator on `port` answers within some seconds; its gate refuses what is not signed."""
    try:
        return _request(port, "GET", "/", seconds)[0] == HTTPStatus.FORBIDDEN
    except (OSError, HTTPException):
        return False


def wait(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the emulator answers; return False if it ends or takes longer than `START_SECONDS`."""
    ready = tenacity.Retrying(
        wait=tenacity.wait_fixed(POLL_SECONDS),
        stop=tenacity.stop_after_delay(START_SECONDS),
        retry=tenacity.retry_if_result(lambda up: not up and process.poll() is None),
        retry_error_callback=lambda _state: False,
    )
    return bool(ready(healthy, port)) and process.poll() is None


def empty(port: int, key: AccessKey) -> None:
    """Delete everything that the emulator has, its saved state included."""
    method, path = ministack_adapter.RESET
    _signed_request(port, method, path, RESET_SECONDS, key)


def start_servers(port: int, key: AccessKey) -> None:
    """Start the servers that the emulator's state describes.

    Raises:
        OSError: the emulator does not answer.
    """
    _signed_request(port, "POST", SERVERS, START_SERVERS_SECONDS, key)


def servers(port: int, key: AccessKey) -> list[ServerStatus]:
    """Return what is behind the endpoints of RDS instances and replication groups.

    Raises:
        OSError: the emulator does not answer.
    """
    return STATUSES.validate_json(_signed_request(port, "GET", SERVERS, SERVERS_SECONDS, key))


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the emulator gracefully, so that it saves its state; kill it after `STOP_SECONDS`."""
    end(process, STOP_SECONDS)


def _signed_request(port: int, method: str, path: str, seconds: float, key: AccessKey) -> bytes:
    from tools.localcloud.gate import sign  # noqa: PLC0415 - it imports botocore, which most verbs do not need

    _status, body = _request(port, method, path, seconds, sign(method, f"http://{HOST}:{port}{path}", key))
    return body


def _request(
    port: int, method: str, path: str, seconds: float, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Return the status and the body of the emulator's answer to a request; no proxy of the environment is used."""
    connection = HTTPConnection(HOST, port, timeout=seconds)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
