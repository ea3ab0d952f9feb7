"""What the engine reads beside a layer's program, `Pulumi.yaml` and the stack files; refused where it is broken."""

from pathlib import Path
from typing import Any

import yaml

from shared.environments import PROJECTS, lacking, require_projects, shown, stack_file
from shared.errors import TxmonError
from shared.graph import LAYERS, project


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # six times as fast, if it is there
    """Reads as the engine does: no key twice, and a day, as in `expires: 2026-12-31`, as it is written."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_str)


def written(layer: str, env: str) -> dict[str, Any]:
    """The settings in a stack file by their full keys, as in `txmon-network:vpcCidr`.

    Raises:
        TxmonError: the file is no YAML, or no stack file.
    """
    path = stack_file(layer, env)
    config = (_read(path) or {}).get("config") or {}
    if not isinstance(config, dict):
        raise TxmonError(f"{shown(path)}: under config there has to be a setting a line, as in aws:region: …")
    return {key if ":" in key else f"{project(layer)}:{key}": value for key, value in config.items()}


def require_readable(env: str) -> None:
    """The engine can read the project file of every layer, and the stack files that there are.

    Raises:
        TxmonError: it cannot; names the file and the line.
    """
    require_projects(LAYERS)
    without = lacking(env)
    for layer in LAYERS:
        if layer not in without:
            written(layer, env)
        path = PROJECTS / layer / "Pulumi.yaml"
        if (_read(path) or {}).get("name") != project(layer):
            raise TxmonError(f"{shown(path)}: name has to be {project(layer)}")


def _read(path: Path) -> dict[Any, Any] | None:
    try:
        content = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 (it is a safe one)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}," if mark else ""
        why = getattr(error, "problem", "") or getattr(error, "reason", "")
        raise TxmonError(f"{shown(path)}{line} is not YAML that Pulumi reads: {why}") from None
    if content is None or isinstance(content, dict):
        return content
    raise TxmonError(f"{shown(path)} has to be keys with values, as in config: …, not {type(content).__name__}")
