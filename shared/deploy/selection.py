"""Which layers a run is about, of all that there are."""

from collections.abc import Iterable

from shared.environments import find_layer
from shared.errors import TxmonError
from shared.layers import LAYERS, dependents, deploy_order


def select(
    only: str | None = None,
    from_: str | None = None,
    skip: str | None = None,
    affected: Iterable[str] | None = None,
) -> list[str]:
    """The chosen layers in the order they deploy in; each argument narrows the choice.

    Args:
        only: layers by name, with commas between them.
        from_: layers by name, each with all that depend on it.
        skip: layers to leave out; those that depend on them rely on what is deployed.
        affected: the layers of a change; none of them may be left, which is no mistake.

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
    if affected is not None:
        chosen &= set(affected)
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
