"""An environment's status and outputs, as tables and as text."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from tools.orchestrator.render import palette
from tools.orchestrator.render.table import Cell, table
from tools.orchestrator.run.status import EnvironmentStatus, LayerStatus


def status_table(status: EnvironmentStatus) -> Table:
    """Return a row for each layer with health, last update, number of resources and lock."""
    headings = ("layer", "status", "last update", "resources", "lock")
    return table(*headings, rows=map(_status_row, status.layers), fold=headings)


def _status_row(each: LayerStatus) -> tuple[Cell, ...]:
    last = each.stack.last
    return (
        each.layer,
        Text(each.health, palette.terminal_style(each.health)),
        f"{last.kind} {last.ended}" if last else "",
        str(each.stack.size),
        str(each.lock or ""),
    )


def outputs_as_env(outputs: dict[str, dict[str, Any]], variables: Mapping[str, str]) -> str:
    """Return outputs and other variables as lines of an `.env` file, with upper-case names, and lists as JSON."""
    flat = {name.upper(): value for layer in outputs.values() for name, value in layer.items()}
    flat.pop("CONTRACT_VERSION", None)  # every layer has its own, which says nothing without the layer
    flat |= variables
    return "\n".join(f"{name}={shlex.quote(_text(value))}" for name, value in sorted(flat.items()))


def outputs_as_table(outputs: dict[str, dict[str, Any]]) -> Table:
    """Return a row for each output."""
    rows = [(layer, name, _text(value)) for layer, values in outputs.items() for name, value in values.items()]
    return table("layer", "output", "value", rows=rows, fold=["value"])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
