"""The tables in the READMEs, made from contracts, settings and rules, so that they cannot be wrong."""

import importlib
import inspect
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from shared.config import LayerConfig
from shared.contracts import CONTRACTS
from shared.contracts.contract import COMMON
from shared.environments import PROJECTS
from shared.graph import LAYERS
from shared.policies import AREAS
from shared.policies.exceptions import EXCEPTIONS

ROOT_README = PROJECTS.parent / "README.md"
POLICIES_README = PROJECTS.parent / "shared/policies/README.md"


def readme(layer: str) -> Path:
    return PROJECTS / layer / "README.md"


def readmes() -> dict[Path, str]:
    """Every README as it should be: its text, with the tables between their markers made anew.

    Raises:
        ValueError: a README lacks a marker.
    """
    tables = {readme(layer): {"outputs": outputs_table(layer), "settings": settings_table(layer)} for layer in LAYERS}
    tables[readme("network")]["access"] = access_table()
    tables[ROOT_README] = {"layers": layers_table()}
    tables[POLICIES_README] = {"rules": rules_table(), "exceptions": exceptions_table()}
    return {path: _written(path, made) for path, made in tables.items()}


def _written(path: Path, tables: Mapping[str, str]) -> str:
    text = path.read_text()
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, opened, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (opened and closed):
            raise ValueError(f"{path} must have {begin} and {end}")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def write_readmes() -> list[Path]:
    """Make all tables anew; the READMEs that changed."""
    stale = {path: text for path, text in readmes().items() if text != path.read_text()}
    for path, text in stale.items():
        path.write_text(text)
    return list(stale)


def layers_table() -> str:
    """The layers: who owns them, what they read and export, what hurts to lose."""
    return _table(
        ("Layer", "Owner", "What it is", "Reads", "Exports", "Holds state"),
        (
            (
                f"[{layer}](projects/{layer}/README.md)",
                info.owner,
                info.summary,
                ", ".join(sorted(info.reads)) or "nothing",
                ", ".join(f"`{name}`" for name in CONTRACTS[layer].promises() if name not in COMMON),
                info.state,
            )
            for layer, info in LAYERS.items()
        ),
    )


def access_table() -> str:
    """Who may talk to whom: the network's matrix, from which the security groups' rules are made too."""
    matrix = importlib.import_module("projects.network.groups").MATRIX
    return _table(
        ("From", "To", "Port", "For"),
        ((access.source, access.target, str(access.port), access.purpose) for access in matrix),
    )


def rules_table() -> str:
    """Every rule of the policy pack."""
    return _table(
        ("Area", "Rule", "What it asks", "Source"),
        ((area, rule.control, rule.description, rule.source) for area, rules in AREAS.items() for rule in rules),
    )


def exceptions_table() -> str:
    """What is accepted in spite of a rule."""
    return _table(
        ("Rule", "Resource", "Where", "Why"),
        (
            (each.control, f"`{each.resource}`", "everywhere" if each.production else "development", each.reason)
            for each in EXCEPTIONS
        ),
    )


def outputs_table(layer: str) -> str:
    """Every output of the layer's contract."""
    return _table(
        ("Output", "Type", "What it is", "Example"),
        (
            (
                f"`{name}`",
                _type_name(promise.type),
                promise.means.description,
                f"`{json.dumps(promise.means.example)}`",
            )
            for name, promise in CONTRACTS[layer].promises().items()
        ),
    )


def settings_table(layer: str) -> str:
    """Every setting of the layer, with the default, which is production's."""
    schema = config_class(layer).model_json_schema()
    return _table(
        ("Setting", "Default", "Allowed", "What it does"),
        (
            (f"`txmon-{layer}:{key}`", _default(setting), _allowed(setting), setting["description"])
            for key, setting in schema["properties"].items()
        ),
    )


def config_class(layer: str) -> type[LayerConfig]:
    """The configuration of a layer, found as the subclass in its `config.py`."""
    module = importlib.import_module(f"projects.{layer}.config")
    [found] = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, LayerConfig) and member.__module__ == module.__name__
    ]
    return found


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(
        f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in line)} |" for line in lines
    )


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__origin__") else str(kind)


def _default(setting: Mapping[str, Any]) -> str:
    if "default" not in setting:
        return "the stack's name"
    return "none" if setting["default"] is None else f"`{json.dumps(setting['default'])}`"


def _allowed(setting: Mapping[str, Any]) -> str:
    if "anyOf" in setting:
        return " or ".join(_allowed(choice) for choice in setting["anyOf"] if choice.get("type") != "null")
    if "enum" in setting:
        return ", ".join(f"`{choice}`" for choice in setting["enum"])
    if "words" in setting:
        return str(setting["words"])
    if "$ref" in setting:
        return "objects"
    if setting["type"] == "array":
        return f"a list of {_allowed(setting['items'])}"
    limits = [
        f"{word} {setting[bound]}"
        for bound, word in {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}.items()
        if bound in setting
    ]
    return " ".join([setting["type"], *limits])
