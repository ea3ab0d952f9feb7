"""Differences between the settings of two environments, as a table or JSON."""

import json

from rich.table import Table

from tools.orchestrator.model.values import value_text
from tools.orchestrator.render.table import table
from tools.orchestrator.repository.settings import Difference


def as_table(found: list[Difference], one: str, other: str) -> Table | str:
    if not found:
        return f"{one} and {other} have the same settings"
    rows = [
        (each.layer, each.setting.rpartition(":")[2], *(value_text(each.values[env]) for env in (one, other)))
        for each in found
    ]
    return table("layer", "setting", one, other, rows=rows, fold=["layer", "setting", one, other])


def as_json(found: list[Difference]) -> str:
    return json.dumps([{"layer": each.layer, "setting": each.setting, **each.values} for each in found], indent=2)
