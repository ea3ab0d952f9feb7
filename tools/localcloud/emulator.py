"""The AWS emulator (MiniStack) as a child process of the local cloud.

It listens on the loopback interface only, keeps its state in a private folder, and saves it when it is stopped
gracefully. It ends with its parent, on every system: it watches a pipe whose other end the parent holds.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

import tenacity

HOST: Final = "127.0.0.1"
REGION: Final = "ap-northeast-1"
ACCOUNT: Final = "000000000000"
START_SECONDS: Final = 20  # it takes 0.3 s; a loaded machine takes longer
STOP_SECONDS: Final = 15  # it takes up to 3.5 s when idle
# Set to anything, the emulator of the next start enforces IAM on all but the account's root, whose keys are `test`.
ENFORCE: Final = "TXMON_LOCAL_ENFORCE_IAM"
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH")


def spawn(port: int) -> subprocess.Popen[bytes]:
    """Start the emulator on `port`, with its state in the working directory.

    Nothing of the user's environment but the basics reaches it.
    """
    state, scratch = Path("emulator"), Path("tmp")
    for folder in (state, scratch):
        folder.mkdir(mode=0o700, exist_ok=True)
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "REDIS_HOST": HOST,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state),
        "TMPDIR": str(scratch),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "AUTH": "true" if os.environ.get(ENFORCE) else "false",
    }
    return subprocess.Popen(
        [sys.executable, "-c", "from tools.localcloud import emulator; emulator.child()"],
        stdin=subprocess.PIPE, env=environment,
    )  # fmt: skip


def child() -> None:
    """What runs in the child: the emulator, until the parent is gone."""

    def watch() -> None:
        os.read(sys.stdin.fileno(), 1)  # past Python's buffer, whose lock would abort the exit
        os.kill(os.getpid(), signal.SIGTERM)

    os.umask(0o077)
    threading.Thread(target=watch, daemon=True).start()
    from ministack import app  # noqa: PLC0415 - it reads its environment when imported

    _list_zones_as_aws()
    sys.argv = ["ministack"]
    app.main()


def _list_zones_as_aws() -> None:
    """Offer the zones that AWS offers to new accounts in the project's region, a, c and d, in place of a, b and c."""
    from ministack.services import ec2  # noqa: PLC0415 - as above

    def listed(parameters: Any) -> tuple[Any, ...]:
        status, headers, body = described(parameters)
        return status, headers, re.sub(rb"(<zoneName>%s|<zoneId>apne1-az)([bc23])" % REGION.encode(), _next, body)

    described = ec2._ACTION_MAP["DescribeAvailabilityZones"]  # noqa: SLF001 - it has no setting for it
    ec2._ACTION_MAP["DescribeAvailabilityZones"] = listed  # noqa: SLF001


def _next(match: re.Match[bytes]) -> bytes:
    return match[1] + bytes([match[2][0] + 1])


def healthy(port: int, seconds: float = 2) -> bool:
    try:
        return _ask(port, "GET", "health", seconds) == HTTPStatus.OK
    except (OSError, HTTPException):
        return False


def _ask(port: int, method: str, what: str, seconds: float) -> int:
    """Ask the emulator itself, past any proxy that the environment names."""
    connection = HTTPConnection(HOST, port, timeout=seconds)
    try:
        connection.request(method, f"/_ministack/{what}")
        return connection.getresponse().status
    finally:
        connection.close()


def wait(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it answers; False when it ended or took too long."""
    ready = tenacity.Retrying(
        wait=tenacity.wait_fixed(0.02),
        stop=tenacity.stop_after_delay(START_SECONDS),
        retry=tenacity.retry_if_result(lambda up: not up and process.poll() is None),
        retry_error_callback=lambda _state: False,
    )
    return bool(ready(healthy, port)) and process.poll() is None


def empty(port: int) -> None:
    """Wipe everything that the emulator holds, its saved state included."""
    _ask(port, "POST", "reset", seconds=30)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop it gracefully, so that it saves its state; kill it after a bound."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
