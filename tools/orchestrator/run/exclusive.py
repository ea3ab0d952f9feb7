"""A run that changes an environment: alone in it, after nothing was left behind, and written down."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.run.journal import Journal, last_run
from tools.orchestrator.run.plan import Plan
from tools.orchestrator.run.preconditions import require_settled
from tools.orchestrator.state.locks import environment_lock, require_unlocked


@contextmanager
def changing(
    workspace: Workspace,
    verb: str,
    layers: Collection[str],
    say: Callable[[str], None],
    *,
    refresh: bool = False,
    plan: Plan | None = None,
) -> Iterator[Journal]:
    """Hold the environment while `verb` works on `layers`, and give the journal to write to.

    The journal keeps what it takes to go on in the same way: whether to `refresh`, the approved `plan`.

    Raises:
        TxmonError: another run is at work, or an earlier one left a lock or an operation behind.
    """
    before = last_run(workspace.env, say)
    if before and before.was_killed:
        say(f"the last run ({before.verb} at {before.began:%Y-%m-%d %H:%M:%S} UTC, process {before.pid}) was killed")
    with environment_lock(workspace, verb):
        require_unlocked(workspace)
        require_settled(workspace)
        journal = Journal(workspace, verb, layers, refresh=refresh, plan=plan)
        try:
            yield journal
        finally:
            journal.close()
