"""Which stacks have to comply: for them a violation is an error, for the others a warning."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from shared.environments import stack_file
from shared.graph import PRODUCT


@cache
def is_production(project: str, stack: str) -> bool:
    """Return whether violations stop a deployment of this stack; True unless its own file sets `protect: false`.

    There is no other switch, so the owners who review that an environment loses its protection review this too.
    """
    return is_protected(stack_file(project.removeprefix(f"{PRODUCT}-"), stack), project)


def is_protected(file: Path, project: str) -> bool:
    """Return False if a stack file sets `protect: false`; True also if it is missing or broken.

    The engine takes a key without a namespace for one of the project's own.
    """
    config = _config(file)
    given = [config[key] for key in (f"{project}:protect", "protect") if key in config]
    return not given or any(str(value).lower() != "false" for value in given)


def _config(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_bytes())
    except (OSError, ValueError, yaml.YAMLError):  # ValueError: a date that does not exist
        return {}
    config = content.get("config") if isinstance(content, dict) else None
    return config if isinstance(config, dict) else {}
