"""Which layers a run is about, of all that there are."""

from collections.abc import Callable, Iterable

from shared.environments import find_environment, find_layer, require_files
from shared.errors import Ended, TxmonError
from shared.graph import LAYERS, dependents, deploy_order
from tools.orchestrator.repository.affected import affected


def one(env: str, name: str) -> str:
    """The layer `name`, for a verb that works on it in `env`.

    Raises:
        TxmonError: there is no such environment or layer, or the layer lacks a file that it needs there.
    """
    find_environment(env)
    layer = find_layer(name)
    require_files(env, [layer])
    return layer


def choose(
    env: str,
    say: Callable[[str], None],
    *,
    only: str | None = None,
    from_: str | None = None,
    skip: str | None = None,
    since: str | None = None,
) -> list[str]:
    """As `select`, of the layers that the change since a git ref affects in `env`, where one is given.

    Raises:
        TxmonError: as `select`, there is no such environment, git does not know the ref, or a chosen layer lacks a
            file that it needs there.
        Ended: well, if nothing that is chosen is affected.
    """
    find_environment(env)
    chosen = select(only, from_, skip)
    if since is not None:
        chosen = [layer for layer in affected(since, env).layers if layer in chosen]
    if not chosen:
        say(f"no layer is affected by the change since {since}: nothing to do")
        raise Ended(0)
    require_files(env, chosen)
    return chosen


def select(
    only: str | None = None,
    from_: str | None = None,
    skip: str | None = None,
) -> list[str]:
    """The chosen layers in the order they deploy in; each argument narrows the choice.

    Args:
        only: layers by name, with commas between them.
        from_: layers by name, each with all that depend on it.
        skip: layers to leave out; those that depend on them rely on what is deployed.

    Raises:
        TxmonError: there is no such layer, or the names leave none.
    """
    chosen = set(LAYERS)
    if only is not None:
        chosen &= _named(only)
    if from_ is not None:
        chosen &= {layer for first in _named(from_) for layer in (first, *dependents(first))}
    chosen -= _named(skip or "")
    if not chosen:
        said = {"--only": only, "--from": from_, "--skip": skip}
        together = " ".join(f"{option} {names!r}" for option, names in said.items() if names is not None)
        raise TxmonError(f"{together} leaves no layer; there are: {', '.join(deploy_order())}")
    return [layer for layer in deploy_order() if layer in chosen]


def _named(names: str) -> set[str]:
    return {find_layer(name.strip()) for name in names.split(",") if name.strip()}


def relied_on(chosen: Iterable[str]) -> dict[str, list[str]]:
    """Layer outside the choice -> those of the choice that read it."""
    inside = list(chosen)
    return {
        upstream: reading
        for upstream in deploy_order()
        if upstream not in inside and (reading := [layer for layer in inside if upstream in LAYERS[layer].reads])
    }
