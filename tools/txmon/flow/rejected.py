"""Puts rejected records on the stream again, as they were or mended, and notes that they are resolved."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow import stores
from tools.txmon.flow.send import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.txmon.flow.functions import Function
    from tools.txmon.flow.send import Sender


def find(migrator: Function, ids: Sequence[str]) -> list[stores.Rejected]:
    """Return rejected records with their payloads, in the order of `ids`.

    Raises:
        OrchestratorError: one does not exist, or is resolved already.
    """
    found = {record.id: record for record in stores.payloads(migrator, ids)}
    for identity in ids:
        if identity not in found:
            raise OrchestratorError(f"no record {identity!r} was rejected; ./inv rejected shows those that were")
        if found[identity].resolved_at:
            raise OrchestratorError(f"{identity} was resolved already; nothing was put on the stream")
    return [found[identity] for identity in ids]


def mend(found: Sequence[stores.Rejected], mended: Sequence[Record] | None) -> list[Record]:
    """Return what is to be put on the stream for the rejected records: the mended ones, or what they were.

    Raises:
        OrchestratorError: there is not one mended record for each.
    """
    if mended is None:
        return [Record.of(base64.b64decode(record.data or "")) for record in found]
    if len(mended) != len(found):
        raise OrchestratorError(
            f"--file has {len(mended)} transactions for {len(found)} rejected records: it needs one on each line, in "
            "the order of --replay"
        )
    return list(mended)


def replay(migrator: Function, sender: Sender, found: Sequence[stores.Rejected], records: Sequence[Record]) -> int:
    """Put each record on the stream and, once it is accepted, note its rejection as resolved; return how many."""
    resolved = 0
    for rejection, record in zip(found, records, strict=True):
        before = sender.report.accepted
        sender.send([record])
        if sender.report.accepted > before:
            stores.resolve(migrator, [rejection.id])
            resolved += 1
    return resolved
