"""Drift, as text or as JSON."""

import json
from dataclasses import asdict

from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import SECRET, Difference
from tools.orchestrator.model.values import value_text
from tools.orchestrator.run.drift import Drift


def as_json(drift: Drift) -> str:
    """Return `{layer: [{resource, type, property, state, actual}]}`."""
    return json.dumps({layer: [asdict(each) for each in found] for layer, found in drift.layers.items()}, indent=2)


def as_text(drift: Drift, monorepo: Monorepo) -> str:
    """Return the drift by layer and resource, and the commands that revert it."""
    if not drift.layers and not drift.failed:
        return f"nothing is deployed in {drift.env}"
    lines = [line for layer in drift.drifted for line in _layer_lines(layer, drift.layers[layer])]
    lines += [f"{layer}: not known" for layer in drift.failed]
    return "\n".join([*lines, *_remedy(drift, monorepo)] if lines else [f"no drift in {drift.env}"])


def _layer_lines(layer: str, found: list[Difference]) -> list[str]:
    lines: list[str] = []
    for each in found:
        heading = f"{layer}: {each.type} {each.resource}"
        lines += [heading] if heading not in lines else []
        lines.append("    is gone" if each.property is None else f"    {each.property}: {_change(each)}")
    return lines


def _change(each: Difference) -> str:
    return SECRET + " differs" if each.state == SECRET else f"{value_text(each.state)} → {value_text(each.actual)}"


def _remedy(drift: Drift, monorepo: Monorepo) -> list[str]:
    """Return the commands that revert the drift, in the order to run them in."""
    if not drift.drifted:
        return []
    commands = [f"./inv up {layer} --refresh --env {drift.env}" for layer in drift.drifted]
    gone = {layer for layer in drift.drifted if any(each.property is None for each in drift.layers[layer])}
    if any(monorepo.readers(layer) for layer in gone):
        commands.append(f"./inv deploy-all --env {drift.env}  # other layers read the new IDs")
    return ["state → AWS; put back what the programs say with:", *(f"    {command}" for command in commands)]
