"""The table that every verb prints: columns without lines."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text

Cell = str | Text
Overflow = Literal["fold", "ellipsis"]


@dataclass(frozen=True)
class Row:
    """The cells of a row, and one style for all of them."""

    cells: tuple[Cell, ...]
    style: str = ""


def table(
    *headings: str,
    rows: Iterable[Row | tuple[Cell, ...]],
    fold: Collection[str] = (),
    right: Collection[str] = (),
    title: str | None = None,
    show_header: bool = True,
) -> Table:
    """Return a table with a column for each heading.

    Columns in `fold` wrap. Every other column keeps a cell on one line and cuts it off if the terminal is narrow.
    Columns in `right` are aligned to the right.
    """
    built = Table(box=None, pad_edge=False, title=title, title_justify="left", show_header=show_header)
    for heading in headings:
        wraps = heading in fold
        overflow: Overflow = "fold" if wraps else "ellipsis"
        justify: Literal["left", "right"] = "right" if heading in right else "left"
        built.add_column(heading, no_wrap=not wraps, overflow=overflow, justify=justify)
    for row in rows:
        cells, style = (row.cells, row.style) if isinstance(row, Row) else (row, "")
        built.add_row(*cells, style=style)
    return built
