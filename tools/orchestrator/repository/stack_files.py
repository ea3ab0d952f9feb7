"""Reads `Pulumi.yaml` and the stack files as the engine does, and refuses broken ones with file and line."""

import re
from pathlib import Path
from typing import Any

import yaml

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.environments import require_projects


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml is six times as fast
    """A loader that reads as the engine does: no key twice, and a date, as in `expires: 2026-12-31`, as text."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
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


def _read(monorepo: Monorepo, path: Path) -> dict[Any, Any] | None:
    file = monorepo.display(path)
    try:
        content = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 (a safe loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}," if mark else ""
        why = getattr(error, "problem", "") or getattr(error, "reason", "")
        raise OrchestratorError(f"{file}{line} is not YAML that Pulumi reads: {why}") from None
    if content is None or isinstance(content, dict):
        return content
    raise OrchestratorError(f"{file} has to be keys with values, as in config: …, not {type(content).__name__}")
