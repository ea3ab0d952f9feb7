"""Where verbs print their results."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.orchestrator.cli.options import path_argument, require_writable
from tools.orchestrator.model.errors import OrchestratorError

WIDE = 200
"""Columns of a table that is not printed on a terminal, so that no value is broken over lines."""


@dataclass(frozen=True)
class Terminal:
    """Where a verb shows its results."""

    console: Console
    report: Path | None = None
    """The folder for a report of the run, if one is wanted."""


def console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDE
    # The text comes from AWS and from code: no word of it is markup, an emoji or a number to colour.
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def terminal(*, stderr: bool = False, report: str | None = None) -> Terminal:
    """Return the terminal; check that a report's folder can be written.

    Raises:
        OrchestratorError: it cannot.
    """
    folder = None if report is None else require_writable(path_argument(report) / "report.html").parent
    return Terminal(console(stderr=stderr), folder)


def show(format: str, **formats: Callable[[], Table | str]) -> None:  # noqa: A002 (the option's name)
    """Print a result in the chosen format: text as it is, a table as wide as it needs.

    Raises:
        OrchestratorError: there is no such format.
    """
    if format not in formats:
        raise OrchestratorError(f"there is no format {format!r}; there are: {', '.join(formats)}")
    result = formats[format]()
    if isinstance(result, str):
        print(result)  # noqa: T201 (the verb's result)
    else:
        console().print(result)
