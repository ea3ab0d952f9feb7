"""The background process of a clone: the emulator as its child, the provider beside it."""

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

if TYPE_CHECKING:
    from tools.localcloud.provider.connection import Clients

log = logging.getLogger(__name__)

PARAMETER: Final = "/txmon/local-cloud"  # in the emulator; the token in it says that its state is the one we know
WARM: Final = ("ec2", "iam", "kms", "sts", "secretsmanager", "kinesis", "rds", "elasticache", "logs", "cloudwatch")
LOOK_SECONDS: Final = 1  # between looks at `cloud.json`


def serve(port: int) -> int:
    """Run until SIGTERM, or until the home, which is the working directory, is deleted.

    Answers the exit code; what went wrong is in the log, which is stderr.
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("botocore").setLevel(logging.WARNING)
    os.umask(0o077)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    files = Files(Path())  # relative, so that a home that is moved keeps its state
    process = emulator.spawn(port)
    # Imported while the emulator starts: boto3, gRPC and Pulumi take half a second.
    from tools.localcloud.provider import connection, servicer  # noqa: PLC0415

    try:
        if not emulator.wait(process, port):
            log.error("the emulator did not come up on port %s (exit code %s)", port, process.poll())
            return 1
        clients = connection.Clients(f"http://{emulator.HOST}:{port}")
        set_aside = agree(files, clients, port)
        server, provider_port = servicer.serve(clients, lambda: process.poll() is None, files.note_created)
        started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        cloud = Cloud(os.getpid(), process.pid, port, provider_port, started, set_aside)
        files.write_cloud(cloud)
        threading.Thread(target=_warm, args=(clients,), daemon=True).start()
        while not stopping.wait(LOOK_SECONDS) and _findable(files, cloud):
            pass
        server.stop(grace=1).wait()
    except OSError as error:
        log.error("it cannot go on: %s", error)  # noqa: TRY400 - a full disk, and no fault of the code's
        return 1
    finally:
        files.cloud.unlink(missing_ok=True)
        emulator.stop(process)
    return 0


def agree(files: Files, clients: Clients, port: int) -> str | None:
    """Make emulator and Pulumi state tell of the same resources, or begin anew with both.

    Each start writes a fresh token into the emulator and beside it. The emulator saves its state only when it
    is stopped gracefully: another token, or none, tells that it lost what happened since. Pulumi's state is then
    moved away; answers where to.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - see `serve`

    ssm = clients.get("ssm", emulator.REGION)
    try:
        found = ssm.get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    except ClientError:
        found = ""
    set_aside = None
    if found != files.read_token():
        if files.has_state():
            stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
            set_aside = files.set_state_aside(f"{stamp}-{secrets.token_hex(2)}")
        emulator.empty(port)
    token = secrets.token_hex(16)
    files.write_token(token)  # before the emulator has it: where the disk is full, both still have the last one
    ssm.put_parameter(Name=PARAMETER, Value=token, Type="String", Overwrite=True)
    return set_aside


def _findable(files: Files, cloud: Cloud) -> bool:
    """Write `cloud.json` again where it was lost or damaged; False when there is no home any more."""
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
    for service in WARM:
        clients.get(service, emulator.REGION)
