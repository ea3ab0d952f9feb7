"""Which layers a run works on."""

import logging

from tools.orchestrator.model.errors import OrchestratorError, VerbEnd
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.affected import affected as affected_layers
from tools.orchestrator.repository.environments import require_files

logger = logging.getLogger(__name__)


def one(monorepo: Monorepo, env: str, name: str) -> str:
    """Return the layer `name`, for a verb that works on it in `env`.

    Raises:
        OrchestratorError: there is no such layer, or it lacks a file that it needs there.
    """
    layer = monorepo.find_layer(name)
    require_files(monorepo, env, [layer])
    return layer


def choose(
    monorepo: Monorepo,
    env: str,
    *,
    only: str | None = None,
    from_: str | None = None,
    skip: str | None = None,
    affected: str | None = None,
) -> list[str]:
    """Return the layers as `select` does; with `affected`, only those that the change since this git ref affects.

    Raises:
        OrchestratorError: as `select`, git does not know the ref, or a chosen layer lacks a file that it needs.
        VerbEnd: no chosen layer is affected.
    """
    chosen = select(monorepo, only, from_, skip)
    if affected is not None:
        chosen = [layer for layer in affected_layers(monorepo, affected, env).layers if layer in chosen]
    if not chosen:
        logger.info("no layer is affected by the change since %s: nothing to do", affected)
        raise VerbEnd(0)
    require_files(monorepo, env, chosen)
    return chosen


def select(
    monorepo: Monorepo, only: str | None = None, from_: str | None = None, skip: str | None = None
) -> list[str]:
    """Return the chosen layers in deploy order; each argument narrows the choice.

    Args:
        monorepo: has the layers.
        only: layers by name, separated by commas.
        from_: layers by name, each with all its dependents.
        skip: layers to leave out; their readers use what is deployed.

    Raises:
        OrchestratorError: there is no such layer, or the names leave none.
    """
    chosen = set(monorepo.layers)
    if only is not None:
        chosen &= _named(monorepo, only)
    if from_ is not None:
        first = _named(monorepo, from_)
        chosen &= {layer for name in first for layer in (name, *monorepo.dependents(name))}
    chosen -= _named(monorepo, skip or "")
    if not chosen:
        options = {"--only": only, "--from": from_, "--skip": skip}
        given = " ".join(f"{option} {names!r}" for option, names in options.items() if names is not None)
        raise OrchestratorError(f"{given} leaves no layer; there are: {', '.join(monorepo.deploy_order)}")
    return [layer for layer in monorepo.deploy_order if layer in chosen]


def _named(monorepo: Monorepo, names: str) -> set[str]:
    return {monorepo.find_layer(name.strip()) for name in names.split(",") if name.strip()}
