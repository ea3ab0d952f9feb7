"""Puts rejected records on the stream again, as they were or mended, and notes that they are resolved."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow import stores
from tools.txmon.flow.send import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.txmon.flow.functions import Function
    from tools.txmon.flow.send import Sender

PART: Final = 100
"""How many rejected records are held in memory at once: each has up to 1 MiB."""


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
            raise OrchestratorError(f"{identity} was resolved already")
    return [found[identity] for identity in ids]


def require_one_each(ids: Sequence[str], mended: Sequence[Record] | None) -> None:
    """Require a mended record for each rejected one, if there are any.

    Raises:
        OrchestratorError: there are more or fewer.
    """
    if mended is not None and len(mended) != len(ids):
        raise OrchestratorError(
            f"--file has {len(mended)} transactions for {len(ids)} rejected records: it needs one on each line, in "
            "the order of --replay"
        )


def replay(migrator: Function, sender: Sender, ids: Sequence[str], mended: Sequence[Record] | None = None) -> int:
    """Put what was rejected, or what mends it, on the stream, note that it is resolved, and return how many are.

    Raises:
        OrchestratorError: one does not exist, or is resolved already; none of its part is put.
    """
    resolved = 0
    for start in range(0, len(ids), PART):
        found = find(migrator, ids[start : start + PART])
        records = [_as_it_was(each) for each in found] if mended is None else mended[start : start + PART]
        for rejection, record in zip(found, records, strict=True):
            before = sender.report.accepted
            sender.send([record])
            if sender.report.accepted > before:
                stores.resolve(migrator, [rejection.id])
                resolved += 1
    return resolved


def _as_it_was(rejection: stores.Rejected) -> Record:
    return Record.of(base64.b64decode(rejection.data or ""))
