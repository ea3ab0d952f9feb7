"""Generates the tables in the READMEs and in the page of the alarms, and the lock file of the contracts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.contracts import CONTRACTS
from shared.environments import PROJECTS
from shared.graph import LAYERS
from shared.policies import AREAS
from shared.policies.exceptions import EXCEPTIONS
from tools.txmon import alarms_page, outputs_lock
from tools.txmon.layers import access_matrix, config_class

ROOT = PROJECTS.parent
ROOT_README = ROOT / "README.md"
POLICIES_README = ROOT / "shared/policies/README.md"
RECORD_SCHEMA = PROJECTS / "processing/app/transaction.schema.json"


def readme(layer: str) -> Path:
    return PROJECTS / layer / "README.md"


def readmes() -> dict[Path, str]:
    """Return every README as it should be: its text, with new tables between the markers.

    Raises:
        ValueError: a marker is missing.
    """
    tables = {readme(layer): {"outputs": outputs_table(layer), "settings": settings_table(layer)} for layer in LAYERS}
    tables[readme("network")]["access"] = access_table()
    tables[readme("processing")]["record"] = record_table()
    tables[ROOT_README] = {"layers": layers_table()}
    tables[POLICIES_README] = {"rules": rules_table(), "exceptions": exceptions_table()}
    return {path: _written(path, made) for path, made in tables.items()}


def _written(path: Path, tables: Mapping[str, str]) -> str:
    text = path.read_text("utf-8")
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, opened, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (opened and closed):
            raise ValueError(f"{path} must have {begin} and {end}")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def write_generated() -> list[Path]:
    """Write the generated files that are out of date; return their paths."""
    generated = readmes() | {
        ROOT / outputs_lock.PATH: outputs_lock.lock_text(),
        alarms_page.PAGE: alarms(alarms_page.programs()),
    }
    stale = {path: text for path, text in generated.items() if not path.exists() or text != path.read_text("utf-8")}
    for path, text in stale.items():
        path.write_text(text, "utf-8")
    return list(stale)


def alarms(programs: Sequence[alarms_page.Program]) -> str:
    """Return the page of the alarms as it should be."""
    found = alarms_page.tables(programs).items()
    return _written(alarms_page.PAGE, {name: _table(header, rows) for name, (header, rows) in found})


def layers_table() -> str:
    """Return the layers with owner, upstreams and state."""
    return _table(
        ("Layer", "Owner", "What it is", "Reads", "Holds state"),
        (
            (
                f"[{layer}](projects/{layer}/README.md)",
                info.owner,
                info.summary,
                ", ".join(sorted(info.reads)) or "nothing",
                info.state,
            )
            for layer, info in LAYERS.items()
        ),
    )


def access_table() -> str:
    """Return which security groups may talk to each other, and over which port."""
    return _table(
        ("From", "To", "Port", "For"),
        ((access.source, access.target, str(access.port), access.purpose) for access in access_matrix()),
    )


def record_table() -> str:
    """Return what a record of the stream has to be, as the consumer's JSON Schema says."""
    schema = json.loads(RECORD_SCHEMA.read_text("utf-8"))
    return _table(
        ("Field", "Required", "Type", "What it is"),
        (
            (f"`{name}`", "yes" if name in schema["required"] else "no", _type(field), field["description"])
            for name, field in schema["properties"].items()
        ),
    )


def _type(field: Mapping[str, Any]) -> str:
    if "maxLength" in field:
        return "{type} of {minLength} to {maxLength} characters".format_map(field)
    return field["type"] if isinstance(field["type"], str) else " or ".join(field["type"])


def rules_table() -> str:
    """Return the rules of the policy pack."""
    return _table(
        ("Area", "Rule", "What it asks", "Source"),
        ((area, rule.control, rule.description, rule.source) for area, rules in AREAS.items() for rule in rules),
    )


def exceptions_table() -> str:
    """Return the resources that may violate a rule, with the reason."""
    return _table(
        ("Rule", "Resource", "Where", "Why"),
        (
            (each.control, f"`{each.resource}`", "everywhere" if each.production else "development", each.reason)
            for each in EXCEPTIONS
        ),
    )


def outputs_table(layer: str) -> str:
    """Return the outputs in the contract of a layer."""
    return _table(
        ("Output", "Type", "What it is", "Example"),
        (
            (f"`{name}`", spec.type_name, spec.description, f"`{json.dumps(spec.example)}`")
            for name, spec in CONTRACTS[layer].outputs().items()
        ),
    )


def settings_table(layer: str) -> str:
    """Return the settings of a layer; defaults are those of production."""
    schema = config_class(layer).model_json_schema()
    return _table(
        ("Setting", "Default", "Allowed", "What it does"),
        (
            (f"`txmon-{layer}:{key}`", _default(setting), _allowed(setting), setting["description"])
            for key, setting in schema["properties"].items()
        ),
    )


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(
        f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in line)} |" for line in lines
    )


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
