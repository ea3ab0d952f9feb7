"""The provider knows its engines by the processes at the other ends of its connections."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from tools.localcloud.provider.engines import Engines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def peer() -> Iterator[str]:
    """Connect this process to itself, and return gRPC's name of the connection's far end."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        yield f"ipv4:127.0.0.1:{client.getsockname()[1]}"


def test_a_connection_of_a_started_engine_is_found(tmp_path: Path, peer: str) -> None:
    (tmp_path / str(os.getpid())).touch()
    engines = Engines(tmp_path)
    assert engines.owner(peer) == os.getpid()
    assert engines.runs(os.getpid())


def test_a_process_that_started_no_plugin_is_a_stranger(tmp_path: Path, peer: str) -> None:
    (tmp_path / str(os.getppid())).touch()
    engines = Engines(tmp_path)
    assert engines.owner(peer) is None
    assert not engines.runs(os.getpid())


def test_a_later_process_with_the_number_of_an_engine_is_a_stranger(tmp_path: Path, peer: str) -> None:
    file = tmp_path / str(os.getpid())
    file.touch()
    os.utime(file, (0, 0))  # the file of an engine that ended before this process began
    engines = Engines(tmp_path)
    assert not engines.runs(os.getpid())
    assert engines.owner(peer) is None
    assert not file.exists()
