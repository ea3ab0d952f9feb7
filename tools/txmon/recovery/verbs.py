"""The verbs of recovery: each opens the environment, and asks RDS what there is to recover from."""

from tools.orchestrator.cli.terminal import console, terminal
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.repository.environments import find_environment
from tools.txmon.flow.verbs import deployed
from tools.txmon.monorepo import MONOREPO
from tools.txmon.recovery import drill as drills
from tools.txmon.recovery import restore as restoring


def restore(env: str, snapshot: str | None, to: str | None, *, yes: bool, parallel: int) -> int:
    """Restore PostgreSQL, and deploy the layers that read it; without a source, show what there is."""
    if snapshot is not None and to is not None:
        raise OrchestratorError("--snapshot and --to exclude each other")
    with deployed(env) as (workspace, deployment):
        found = restoring.database(deployment)
        if snapshot is None and to is None:
            console().print(restoring.overview(found))
            return 0
        source = found.snapshot(snapshot) if snapshot is not None else found.point(str(to))
        done = restoring.restore(workspace, terminal(), deployment, source, yes=yes, parallel=parallel)
    if done.code == 0:
        console().print(restoring.next_steps(source, done.kept, env), soft_wrap=True)
    return done.code


def drill(env: str, what: str, *, yes: bool, parallel: int) -> None:
    """Practise a restore."""
    find_environment(MONOREPO, env)
    if what != "restore":
        raise OrchestratorError(f"there is no drill of {what!r}; there is: restore")
    with deployed(env) as (workspace, deployment):
        drills.drill_restore(workspace, terminal(), deployment, yes=yes, parallel=parallel)
