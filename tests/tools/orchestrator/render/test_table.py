"""The table that the verbs print."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.orchestrator.render.table import Row, table


def lines(printed: Table, width: int = 80) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(printed)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_columns_have_no_lines_and_numbers_are_aligned_to_the_right() -> None:
    found = table("layer", "units", rows=[("network", "2"), ("data", "10")], right=["units"])
    assert lines(found) == ["layer    units", "network      2", "data        10"]


def test_a_narrow_terminal_wraps_columns_to_fold_and_cuts_all_others() -> None:
    rows = [("network", "a" * 30)]
    assert "".join(lines(table("layer", "value", rows=rows, fold=["value"]), 20)).count("a") > 30
    assert lines(table("layer", "value", rows=rows), 20)[-1].endswith("a…")


def test_a_row_styles_all_of_its_cells() -> None:
    found = table("layer", "status", rows=[Row(("network", "ok"), "bold red"), ("data", Text("ok", "green"))])
    assert [row.style for row in found.rows] == ["bold red", ""]


def test_a_table_has_a_title_and_a_header_only_if_asked() -> None:
    rows = [("network", "ok")]
    assert lines(table("layer", "status", rows=rows, title="deployed")) == [
        "deployed",
        "layer    status",
        "network  ok",
    ]
    assert lines(table("layer", "status", rows=rows, show_header=False)) == ["network  ok"]
