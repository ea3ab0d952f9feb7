"""Runs an emulator of a test's own, without the local cloud around it."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tools.localcloud import emulator
from tools.localcloud.ministack_adapter import HOST, REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def running(home: Path, **variables: str) -> Iterator[int]:
    """Run an emulator with its state in `home`, and give its port."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ({"PYTHONPATH": str(REPOSITORY)} | variables).items():
            patch.setenv(name, value)
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


def client(service: str, port: int, key: str = "test", region: str = REGION) -> Any:
    return boto3.client(
        service,
        endpoint_url=f"http://{HOST}:{port}",
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=key,
    )
