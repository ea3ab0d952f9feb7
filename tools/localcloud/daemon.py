"""The background process of a home: the emulator as its child, and the provider in a thread."""

from __future__ import annotations

import datetime as dt
import logging
import os
import secrets
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools.localcloud import emulator
from tools.localcloud.home import Cloud, Files
from tools.localcloud.ministack_adapter import HOST, REGION

if TYPE_CHECKING:
    from tools.localcloud.provider.connection import Clients

log = logging.getLogger(__name__)

PARAMETER: Final = "/txmon/local-cloud"
"""The parameter in the emulator with the token that proves that its state belongs to Pulumi's."""
WARM: Final = ("ec2", "iam", "kms", "sts", "secretsmanager", "kinesis", "rds", "elasticache", "logs", "cloudwatch")
CHECK_SECONDS: Final = 1  # between checks of `cloud.json`


def serve(port: int) -> int:
    """Run until SIGTERM, or until the home is deleted, and return the exit code.

    The working directory is the home. Errors are in the log, which is stderr.
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("botocore").setLevel(logging.WARNING)
    os.umask(0o077)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    files = Files(Path())  # relative, so that a moved home keeps its state
    process = emulator.spawn(port)
    # boto3, gRPC and Pulumi are imported while the emulator starts: they take half a second.
    from tools.localcloud.provider import connection, servicer  # noqa: PLC0415
    from tools.localcloud.provider.engines import Engines  # noqa: PLC0415

    try:
        if not emulator.wait(process, port):
            log.error("the emulator did not come up on port %s (exit code %s)", port, process.poll())
            return 1
        clients = connection.Clients(f"http://{HOST}:{port}", files.read_key())
        set_aside = agree(files, clients, port)
        _start_servers(files, port)
        engines = Engines(files.engines)
        server, provider_port = servicer.serve(clients, engines, lambda: process.poll() is None, files.note_created)
        started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        cloud = Cloud(os.getpid(), process.pid, port, provider_port, started, set_aside)
        files.write_cloud(cloud)
        threading.Thread(target=_warm, args=(clients,), daemon=True).start()
        while not stopping.wait(CHECK_SECONDS) and _findable(files, cloud):
            pass
        server.stop(grace=1).wait()
    except OSError as error:
        log.error("the local cloud ends: %s", error)  # noqa: TRY400 - a full disk, not an error of the code
        return 1
    finally:
        files.cloud.unlink(missing_ok=True)
        emulator.stop(process)
    return 0


def _start_servers(files: Files, port: int) -> None:
    """Start the servers of databases and caches; the local cloud goes on without those that do not start."""
    try:
        emulator.start_servers(port, files.read_key())
    except OSError as error:
        log.error("the servers have not started: %s", error)  # noqa: TRY400 - a slow machine, not an error of the code


def agree(files: Files, clients: Clients, port: int) -> str | None:
    """Make the emulator's state and Pulumi's describe the same resources.

    Both have the same token. If the emulator has another one, or none, as after a kill before it had saved a change,
    both start empty with a new one.

    Returns:
        Where Pulumi's old state was moved; None if it is still in place.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - see `serve`

    ssm = clients.get("ssm", REGION)
    try:
        found = ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    except ClientError:
        found = ""
    expected = files.read_token()
    if found == expected != "":
        return None
    set_aside = None
    if found != expected:
        if files.has_state():
            stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
            set_aside = files.set_state_aside(f"{stamp}-{secrets.token_hex(2)}")
        emulator.empty(port, files.read_key())
    token = secrets.token_hex(16)
    files.write_token(token)  # first: if the disk is full, both still have the last token
    ssm.put_parameter(Name=PARAMETER, Value=token, Type="String", Overwrite=True)
    return set_aside


def _findable(files: Files, cloud: Cloud) -> bool:
    """Write a lost or damaged `cloud.json` again; return False if the home no longer exists."""
    found = files.read_cloud()
    try:
        if found is None or found.pid != cloud.pid:
            files.write_cloud(cloud)
    except FileNotFoundError:
        return False
    except OSError as error:
        log.warning("cloud.json cannot be written: %s", error)
    return True


def _warm(clients: Clients) -> None:
    """Create the clients that every deploy needs before the first engine asks for them."""
    for service in WARM:
        clients.get(service, REGION)
