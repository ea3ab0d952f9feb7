"""Where verbs print their results."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import Progress
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tools.orchestrator.cli.options import path_argument, require_writable
from tools.orchestrator.cli.streams import Stream, printable, shortened
from tools.orchestrator.model.errors import OrchestratorError

WIDE = 200
"""Columns of a table that is not printed on a terminal, so that no value is broken over lines."""


class _PrintableConsole(Console):
    """A console that sends no control characters but its own, and cuts long lines of text."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(shortened(text)), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


@dataclass(frozen=True)
class Terminal:
    """Where a verb shows its results."""

    console: Console
    report: Path | None = None
    """The folder for a report of the run, if one is wanted."""


def console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDE
    file = stream.styled if isinstance(stream, Stream) else None
    # The text comes from AWS and from code: no word of it is markup, an emoji or a number to colour.
    return _PrintableConsole(file=file, stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def progress() -> Progress:
    """Return what shows on a terminal how far a long operation is."""
    shown = console(stderr=True)
    return Progress(console=shown, transient=True, disable=not shown.is_terminal)


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
