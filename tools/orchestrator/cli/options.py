"""Options of verbs that are more than text: numbers in a range, and paths."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self

from tools.orchestrator.model.errors import OrchestratorError


class Count(int):
    """A whole number as an option, named like the class; invoke reads an option with the type of its default."""

    minimum = 1
    maximum = sys.maxsize

    def __new__(cls, given: Any) -> Self:
        if str(given).isascii() and str(given).isdigit() and cls.minimum <= int(given) <= cls.maximum:
            return super().__new__(cls, given)
        allowed = f"{cls.minimum} or more" if cls.maximum == sys.maxsize else f"from {cls.minimum} to {cls.maximum}"
        raise OrchestratorError(f"--{cls.__name__.lower()} {given!r} has to be a whole number, {allowed}")


class Parallel(Count):
    """How many layers run at a time."""


class Port(Count):
    """A TCP port; 0 stands for a free one."""

    minimum = 0
    maximum = 65535


def path_argument(given: str) -> Path:
    """Return a path as the user means it: relative to where `./inv` was called, not to the repository.

    Raises:
        OrchestratorError: it is empty, like a variable that is not set.
    """
    if not given:
        raise OrchestratorError("the name of a file or folder is empty")
    path = Path(os.path.normpath(Path(os.environ.get("TXMON_CALLED_FROM", ""), given)))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def require_writable(path: Path) -> Path:
    """Check before a run that its result can be written; return the path.

    Raises:
        OrchestratorError: it cannot.
    """
    try:
        if path.exists():
            path.open("a", encoding="utf-8").close()
        else:
            TemporaryFile(dir=next(parent for parent in path.parents if parent.exists())).close()
    except OSError:
        raise OrchestratorError(f"{path} cannot be written: name another place") from None
    return path
