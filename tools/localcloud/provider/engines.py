"""Tells the engines of this clone from everything else that can reach the provider's port.

An engine connects without credentials. The plugin that it starts makes a file, named by the engine's process number,
in a folder that only the user can write to. The provider serves the connections of these processes only.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Engines:
    """The engines that have started the plugin, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def owner(self, peer: str) -> int | None:
        """Return the engine that a connection belongs to, given gRPC's name of it: `ipv4:127.0.0.1:40123`."""
        port = int(peer.rpartition(":")[2])
        return next((engine.pid for engine in self._running() if port in _local_ports(engine)), None)

    def runs(self, pid: int) -> bool:
        """Return whether an engine still runs."""
        return self._engine(self._folder / str(pid)) is not None

    def _running(self) -> Iterator[psutil.Process]:
        """Yield the engines that run, and remove the files of the others."""
        for each in self._folder.iterdir():
            engine = self._engine(each)
            if engine is None:
                each.unlink(missing_ok=True)
            else:
                yield engine

    @staticmethod
    def _engine(file: Path) -> psutil.Process | None:
        """Return the process that a file names, unless it is a later one that got the same number."""
        with suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int(file.name))
            if process.create_time() <= file.stat().st_mtime:
                return process
        return None


def _local_ports(process: psutil.Process) -> set[int]:
    try:
        return {each.laddr.port for each in process.net_connections("tcp")}
    except psutil.Error:
        return set()
