"""Reads `Pulumi.yaml` and the stack files as the engine does, and refuses broken ones with file and line."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

from tools.orchestrator.model.document import first_fault
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.environments import require_projects

CONTENT = TypeAdapter(dict[str, JsonValue])
TEXT = "tag:yaml.org,2002:str"
MERGE = "tag:yaml.org,2002:merge"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml is six times as fast
    """A loader that reads as the engine does: no key twice; keys, and dates as in `2026-12-31`, as text.

    What it cannot read is always a `yaml.YAMLError`.
    """

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, RecursionError):  # as in `!!int x`
            name = node.tag.rpartition(":")[2]
            raise yaml.MarkedYAMLError(problem=f"this is not a valid {name}", problem_mark=node.start_mark) from None

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key has to be text", problem_mark=key.start_mark)
            if key.tag != MERGE:
                key.tag = TEXT
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_str)


def settings_in_file(monorepo: Monorepo, layer: str, env: str) -> dict[str, Any]:
    """Return the settings in a stack file by their full keys, as in `txmon-network:vpcCidr`.

    Raises:
        OrchestratorError: the file is not YAML or not a stack file, or has a setting twice, of which the engine would
            take either.
    """
    path = monorepo.stack_file(layer, env)
    file = monorepo.display(path)
    config = (_read(monorepo, path) or {}).get("config") or {}
    if not isinstance(config, dict):
        raise OrchestratorError(f"{file}: under config there has to be a setting a line, as in aws:region: …")
    found: dict[str, Any] = {}
    for key, value in config.items():
        full = _full_key(str(key), monorepo.project(layer))
        if full in found:
            raise OrchestratorError(f"{file}: {full} is there twice, written in two ways: keep one of them")
        found[full] = value
    return found


def _full_key(key: str, project: str) -> str:
    """Return the `project:key` that the engine makes of a key (sdk/go/common/resource/config/key.go)."""
    if ":" not in key:
        return f"{project}:{key}"
    return re.sub(r"^([^:]+):config:([^:]+)$", r"\1:\2", key)


def secrets_provider_in_file(monorepo: Monorepo, layer: str, env: str) -> str | None:
    """Return what encrypts a stack's secrets by its file, as in `awskms://…`; None if it does not say."""
    content = _read(monorepo, monorepo.stack_file(layer, env)) or {}
    return content.get("secretsprovider") or ("passphrase" if "encryptionsalt" in content else None)


def require_readable(monorepo: Monorepo, env: str) -> None:
    """Check that the engine can read every layer's project file, and the environment's stack files that exist.

    Raises:
        OrchestratorError: it cannot; names the file and the line.
    """
    require_projects(monorepo, monorepo.layers)
    for layer in monorepo.layers:
        if monorepo.stack_file(layer, env).exists():
            settings_in_file(monorepo, layer, env)
        path = monorepo.project_file(layer)
        if (_read(monorepo, path) or {}).get("name") != monorepo.project(layer):
            raise OrchestratorError(f"{monorepo.display(path)}: name has to be {monorepo.project(layer)}")


def _read(monorepo: Monorepo, path: Path) -> dict[str, Any] | None:
    file, text = monorepo.display(path), path.read_bytes()
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 (a safe loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}," if mark else ""
        why = getattr(error, "problem", "") or getattr(error, "reason", "")
        raise OrchestratorError(f"{file}{line} is not YAML that Pulumi reads: {why}") from None
    if content is None:
        return None
    if not isinstance(content, dict):
        raise OrchestratorError(f"{file} has to be keys with values, as in config: …, not {type(content).__name__}")
    try:
        return CONTENT.validate_python(content)
    except ValidationError as error:
        raise OrchestratorError(f"{file} is not what Pulumi reads: {first_fault(error)}") from None


def write_setting(monorepo: Monorepo, layer: str, env: str, setting: str, value: int | str) -> None:
    """Write a setting, by its short name, into a stack file. The engine's `config set` would quote other settings.

    Raises:
        OrchestratorError: the file is written in a way that this does not understand; it stays as it is.
    """
    path, key = monorepo.stack_file(layer, env), f"{monorepo.project(layer)}:{setting}"
    before, text = path.read_text(encoding="utf-8"), json.dumps(value)
    line = re.compile(rf'^(\s+(?:{monorepo.project(layer)}:)?{setting}\s*:\s*)("[^"\n]*"|[^\s"#]+)', re.MULTILINE)
    after, replaced = line.subn(rf"\g<1>{text}", before)
    if not replaced:
        after = re.sub(r"^config:[ \t]*\n", f"config:\n  {key}: {text}\n", before, count=1, flags=re.MULTILINE)
    path.write_text(after, encoding="utf-8")
    try:
        written = settings_in_file(monorepo, layer, env).get(key)
    except OrchestratorError:
        written = None
    if written != value:
        path.write_text(before, encoding="utf-8")
        raise OrchestratorError(f"write {key}: {text} into {monorepo.display(path)}, then run this again")


def remove_setting(monorepo: Monorepo, layer: str, env: str, setting: str) -> None:
    """Remove a setting that `write_setting` has written, by its short name, from a stack file."""
    path = monorepo.stack_file(layer, env)
    line = re.compile(rf"^[ \t]+(?:{monorepo.project(layer)}:)?{setting}[ \t]*:.*\n?", re.MULTILINE)
    path.write_text(line.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")
