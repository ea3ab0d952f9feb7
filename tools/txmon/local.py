"""The verbs that concern the local cloud itself."""

import shlex

from tools.engine.install import find_engine
from tools.localcloud.lifecycle import LocalCloud
from tools.orchestrator.cli.commands import logger
from tools.orchestrator.engine.workspace import open_workspace
from tools.orchestrator.model.monorepo import Environment, Monorepo
from tools.orchestrator.repository.environments import require_files
from tools.orchestrator.state.checkpoints import read_snapshot
from tools.orchestrator.state.folder_store import FolderStore
from tools.orchestrator.state.locks import require_idle


def variables(
    monorepo: Monorepo, cloud: LocalCloud, environment: Environment, port: int | None, provider: str
) -> str:
    """Start the local cloud, create the stacks of all layers, and return the shell lines that lead to both.

    A named `provider` stays in use until another one is chosen.

    Raises:
        LocalCloudError: there is no such provider, or the local cloud does not start.
        OrchestratorError: a layer has no stack file.
    """
    require_files(monorepo, environment.name, monorepo.layers)
    if provider:
        cloud.choose_provider(provider)
    engine = find_engine(logger.info)
    cloud.start(port=port)
    workspace = open_workspace(monorepo, environment, engine, cloud.variables())
    workspace.create_stacks(read_snapshot(workspace).without_stack(monorepo.layers))
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in workspace.variables.items())


def stop(monorepo: Monorepo, cloud: LocalCloud) -> str:
    """Stop the local cloud, unless a run is active in it; return whether it was running, as a sentence.

    Raises:
        OrchestratorError: a run is active.
    """
    require_idle(FolderStore(cloud.state), monorepo)
    return "the local cloud is stopped" if cloud.stop() else "the local cloud was not running"
