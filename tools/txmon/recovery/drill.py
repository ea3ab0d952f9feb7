"""Practises a restore of PostgreSQL in an environment that is not protected, and measures how long it takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import tenacity
from rich.table import Table

from tools.orchestrator.cli.prompts import confirm
from tools.orchestrator.cli.terminal import Terminal, progress
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError, VerbEnd
from tools.orchestrator.render.table import table
from tools.orchestrator.repository.settings import effective
from tools.txmon.flow import stores
from tools.txmon.flow.deployment import Deployment
from tools.txmon.flow.functions import Function, migrator
from tools.txmon.flow.samples import Samples
from tools.txmon.flow.send import as_record, open_sender
from tools.txmon.flow.stream import open_stream
from tools.txmon.recovery.restore import LAYER, database, restore

SAMPLES: Final = 100
"""How many transactions are sent before the snapshot, and after it."""
STORED_SECONDS: Final = 120
"""How long their way to PostgreSQL may take; less than a second is usual."""


@dataclass
class Clock:
    """Measures steps."""

    steps: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - began))

    @property
    def table(self) -> Table:
        rows = [(name, f"{seconds:.1f} s") for name, seconds in self.steps]
        total = sum(seconds for _name, seconds in self.steps)
        return table("step", "time", rows=[*rows, ("in all", f"{total:.1f} s")], right=("time",))


def drill_restore(
    workspace: Workspace, terminal: Terminal, deployment: Deployment, *, yes: bool, parallel: int
) -> None:
    """Send transactions before and after a snapshot, restore it, replay the stream, and look for them all.

    What the drill has made is deleted if it succeeds.

    Raises:
        OrchestratorError: the environment is protected, or transactions are missing afterwards.
        VerbEnd: a deployment failed.
    """
    _require_unprotected(workspace)
    found, asked = database(deployment), migrator(deployment)
    confirm(workspace, "replace PostgreSQL by a snapshot of itself in", yes=yes)
    clock = Clock()
    sent = _send(deployment, asked)
    with clock.step("take a snapshot"):
        source = found.take_snapshot(f"{found.identifier}-drill-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    sent |= _send(deployment, asked)
    with clock.step("replace the database, and deploy its readers"):
        done = restore(workspace, terminal, deployment, source, yes=True, parallel=parallel)
        if done.code:
            raise VerbEnd(done.code)
    with clock.step("replay the stream"), progress() as shown:
        open_stream(deployment).replay_all(source.replay_since, datetime.now(UTC), shown)
    with clock.step("rebuild the history in Redis"):
        stores.rebuild_history(asked, deployment.output(LAYER, "redis_history_hours"))
    if missing := sent - stores.stored(asked, [*sent]):
        raise OrchestratorError(f"of {len(sent)} transactions, {len(missing)} are not back; {done.kept} has them all")
    found.delete(done.kept, source.setting)
    terminal.console.print(clock.table)
    terminal.console.print(f"{len(sent)} transactions are back, the last {SAMPLES} of them from the stream")


def _require_unprotected(workspace: Workspace) -> None:
    env = workspace.env
    if effective(workspace.monorepo, LAYER, env)[f"{workspace.monorepo.project(LAYER)}:protect"]:
        raise OrchestratorError(
            f"{env} is protected, and a drill replaces its database: drill in one like it, "
            f"./inv new-env drill --like {env} --expires 1d"
        )


def _send(deployment: Deployment, asked: Function) -> set[str]:
    """Send transactions, wait until PostgreSQL has them, and return their ids.

    Raises:
        OrchestratorError: they are not stored in time.
    """
    samples = list(islice(Samples(), SAMPLES))
    open_sender(deployment).send(map(as_record, samples))
    ids = {each["transaction_id"] for each in samples}
    waiting = tenacity.Retrying(
        wait=tenacity.wait_fixed(1),
        stop=tenacity.stop_after_delay(STORED_SECONDS),
        retry=tenacity.retry_if_result(bool),
        retry_error_callback=lambda _state: ids,
    )
    if waiting(lambda: ids - stores.stored(asked, [*ids])):
        raise OrchestratorError(f"the drill's transactions are not stored within {STORED_SECONDS} s: ./inv watch")
    return ids
