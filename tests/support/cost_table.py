"""The tables in docs/changes.md: what another value of each setting costs, and the replacement of a resource."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs/changes.md"
ROW = re.compile(r"\| `txmon-(?P<layer>[a-z]+):(?P<setting>\w+)` \| (?P<dev>.+) \| (?P<prod>.+) \|")
REPLACEMENT = re.compile(r"\| `(?P<layer>[a-z]+)` \| `(?P<resource>[\w-]+)` \| (?P<outputs>.*) \| (?P<cost>.+) \|")
CELL = re.compile(r"`(?P<value>.+)`: (?P<cost>.+)")


@dataclass(frozen=True)
class Change:
    """One setting of one layer in one profile."""

    layer: str
    setting: str
    value: Any
    cost: str

    @property
    def id(self) -> str:
        return f"{self.layer}:{self.setting}"


def changes(profile: str) -> list[Change]:
    """Return the changes that the page lists for `dev` or `prod`."""
    rows = [row for line in _lines() if (row := ROW.fullmatch(line))]
    return [_change(row["layer"], row["setting"], row[profile]) for row in rows]


def _change(layer: str, setting: str, text: str) -> Change:
    cell = CELL.fullmatch(text)
    assert cell, f"{layer}:{setting}: {text!r} must be `VALUE`: COST"
    return Change(layer, setting, json.loads(cell["value"]), cell["cost"])


@dataclass(frozen=True)
class Replacement:
    """A resource of a layer whose replacement may change outputs."""

    layer: str
    resource: str
    outputs: frozenset[str]
    cost: str
    """What it does to the readers of the layer."""

    @property
    def id(self) -> str:
        return f"{self.layer}:{self.resource}"


def replacements() -> list[Replacement]:
    """Return the replacements that the page lists."""
    rows = [row for line in _lines() if (row := REPLACEMENT.fullmatch(line))]
    return [
        Replacement(row["layer"], row["resource"], frozenset(re.findall(r"`(\w+)`", row["outputs"])), row["cost"])
        for row in rows
    ]


def _lines() -> list[str]:
    return PAGE.read_text(encoding="utf-8").splitlines()
