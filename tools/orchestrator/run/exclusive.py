"""A run that changes an environment: alone in it, after nothing was left behind, and recorded."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.plan import Plan
from tools.orchestrator.model.stack import Snapshot
from tools.orchestrator.run.journal import Journal, last_run
from tools.orchestrator.run.preconditions import (
    require_facts,
    require_no_pending_operations,
    require_secrets_provider,
)
from tools.orchestrator.state.checkpoints import read_snapshot
from tools.orchestrator.state.locks import EnvironmentLock, require_unlocked

logger = logging.getLogger(__name__)


@contextmanager
def exclusive_run(
    workspace: Workspace,
    verb: str,
    layers: Collection[str],
    *,
    refresh: bool = False,
    plan: Plan | None = None,
    everywhere: bool = False,
) -> Iterator[tuple[Journal, Snapshot]]:
    """Hold the environment while `verb` works on `layers`; yield the journal and the state as it is under the lock.

    The journal records what `resume` needs: `refresh` and the approved `plan`. The snapshot covers the whole backend
    if `everywhere` is true.

    Raises:
        OrchestratorError: the environment is protected and not described; another run is active; an earlier one left
            a lock or a pending operation behind; or a stack has another secrets provider than the environment.
    """
    require_facts(workspace)
    before = last_run(workspace.monorepo, workspace.env)
    if before and before.was_killed:
        began = f"{before.began:%Y-%m-%d %H:%M:%S} UTC"
        logger.info("the last run (%s at %s, process %s) was killed", before.verb, began, before.pid)
    with EnvironmentLock(workspace).hold(verb):
        require_unlocked(workspace)
        snapshot = read_snapshot(workspace, everywhere=everywhere)
        require_secrets_provider(workspace, snapshot)
        require_no_pending_operations(workspace, snapshot)
        journal = Journal(workspace, verb, layers, refresh=refresh, plan=plan)
        try:
            yield journal, snapshot
        finally:
            journal.close()
