"""Runs an emulator of a test's own, without the local cloud around it."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tools.localcloud import emulator
from tools.localcloud.home import AccessKey
from tools.localcloud.ministack_adapter import HOST, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]


KEY = AccessKey("AKIATEST", "secret-of-the-tests")


@contextmanager
def running(home: Path, *, servers: str = "off") -> Iterator[int]:
    """Run an emulator with its state in `home` and `KEY` as the root's key, and give its port.

    Most tests need no server behind an endpoint; `servers="require"` lets instances and groups have one.
    """
    port = free_port()
    home.mkdir(exist_ok=True)
    (home / "key").write_text(json.dumps(asdict(KEY)), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        patch.setenv("TXMON_LOCAL_ENGINES", servers)
        process = emulator.spawn(port, home)
    try:
        assert emulator.wait(process, port)
        yield port
    finally:
        emulator.stop(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def client(service: str, port: int, key: AccessKey = KEY, region: str = REGION) -> Any:
    return boto3.client(
        service,
        endpoint_url=f"http://{HOST}:{port}",
        region_name=region,
        aws_access_key_id=key.identity,
        aws_secret_access_key=key.secret,
        aws_session_token=key.token or None,
    )
