"""The report of a run, as a page and as Markdown."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.support.monorepo import make_monorepo
from tools.orchestrator.model.operation import Action, Operation, OperationStatus, Step
from tools.orchestrator.model.values import SECRET_MARK
from tools.orchestrator.render import report
from tools.orchestrator.run.journal import RunRecord

GRAPH = {
    "network": (),
    "security": (),
    "streaming": ("security",),
    "data": ("network",),
    "monitoring": ("streaming",),
}
NASTY = "</details> <script>alert(1)</script> | *x* `y` [z](http://a) @team #7\nnext"
VPC = "aws:ec2/vpc:Vpc"
NOW = time.monotonic()


def operation(layer: str, action: Action = Action.UP, **facts: Any) -> Operation:
    facts = {"status": OperationStatus.SUCCEEDED, "began": NOW - 60, "ended": NOW - 50, **facts}
    return Operation(layer, action, command=f"pulumi {action} --cwd projects/{layer}", **facts)


Make = Callable[..., report.Report]


@pytest.fixture
def make_report(tmp_path: Path) -> Make:
    """Return a function that reports a run of operations."""
    monorepo = make_monorepo(tmp_path, GRAPH)

    def make(*operations: Operation, verb: str = "deploy-all", result: str = "failed") -> report.Report:
        record = RunRecord(verb=verb, env="dev", user="ana", host="desk", commit="a" * 40, result=result)
        return report.report_of(record, operations, monorepo)

    return make


@pytest.fixture
def deploy(make_report: Make) -> report.Report:
    """Return the report of a run in which one layer changed, one failed and one was skipped."""
    return make_report(
        operation(
            "network",
            counts=Counter(create=2, same=30, replace=1),
            steps=[Step("create", VPC, "vpc-dev"), Step("replace", VPC, "old-dev", ("cidrBlock", "tags"), True)],
            outputs={"vpc_id": "vpc-2", "ids": ["a", "b"], "same": 1},
            old_outputs={"vpc_id": "vpc-1", "ids": ["a", "b"], "same": 1},
            warnings=["slow today"],
        ),
        operation("streaming", status=OperationStatus.FAILED, reason=NASTY, began=NOW - 50, ended=NOW - 40),
        operation("monitoring", status=OperationStatus.SKIPPED, reason="waits for streaming", began=0.0, ended=0.0),
    )


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text without the style sheet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "path", "rect"}:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"path", "rect"}:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def page(given: report.Report) -> Page:
    return Page(report.as_html(given))


def test_the_page_fetches_and_runs_nothing(deploy: report.Report) -> None:
    text = report.as_html(deploy)
    attributes = {name for _, attrs in Page(text).tags for name in attrs}
    assert not {tag for tag, _ in Page(text).tags} & {"script", "link", "img", "iframe", "object", "base"}
    assert not attributes & {"src", "href", "srcset", "action", "onload", "onclick"}
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_names_the_run_and_its_layers_with_their_status(deploy: report.Report) -> None:
    words = page(deploy).words
    for part in ("deploy-all dev", "ana@desk", "aaaaaaaaaa", "✕ failed", "✓ succeeded", "» skipped", "slow today"):
        assert part in words, part
    assert "waits for streaming" in words
    assert "vpc-dev" in words
    assert "because of cidrBlock, tags" in words


def test_text_of_a_run_does_not_act_as_markup_in_html(deploy: report.Report) -> None:
    text = report.as_html(deploy)
    assert "<script" not in text
    assert "</details> <script>alert(1)</script>" in Page(text).text


def test_text_of_a_run_does_not_act_as_markup_in_markdown(deploy: report.Report) -> None:
    text = report.as_markdown(deploy)
    [line] = [line for line in text.splitlines() if "alert" in line]
    assert not re.search(r"[<>|*`\[\]@]|#(?!\d+;)", line)
    assert "next" in line
    assert text.count("<details") == text.count("</details>")


def test_a_changed_output_shows_before_and_after_and_comes_first(deploy: report.Report) -> None:
    section = deploy.sections[0]
    assert [(value.name, value.text, value.before) for value in section.values] == [
        ("vpc_id", "vpc-2", "vpc-1"),
        ("ids", '["a", "b"]', None),
        ("same", "1", None),
    ]
    assert "vpc-2 was vpc-1" in page(deploy).words
    assert "| vpc_id | <code>vpc-1</code> | <code>vpc-2</code> |" in report.as_markdown(deploy)


def test_no_report_shows_a_secret(make_report: Make) -> None:
    secret = {SECRET_MARK: "1b47061264138c4ac30d75fd1eb44270", "plaintext": '"hunter2"'}
    given = make_report(
        operation("data", outputs={"token": secret}, old_outputs={"token": {**secret, "plaintext": '"old"'}})
    )
    for text in (report.as_html(given), report.as_markdown(given)):
        assert "token" in text
        assert "hunter2" not in text
        assert "plaintext" not in text
    assert "was secret" in page(given).words


def test_a_removed_output_says_so(make_report: Make) -> None:
    [value] = make_report(operation("data", outputs={}, old_outputs={"gone": 1})).sections[0].values
    assert (value.text, value.before) == ("removed", "1")


def test_a_destroyed_layer_has_neither_outputs_nor_a_warning(make_report: Make) -> None:
    steps = [Step("delete", VPC, "vpc-dev")]
    given = make_report(
        operation("network", Action.DESTROY, old_outputs={"vpc_id": "v"}, steps=steps), verb="destroy-all"
    )
    assert given.sections[0].values == []
    assert given.losses == 1
    assert "were replaced or deleted" not in page(given).words
    assert "CAUTION" not in report.as_markdown(given)


def test_losses_are_named_before_the_layers(deploy: report.Report) -> None:
    words, text = page(deploy).words, report.as_markdown(deploy)
    assert words.index("1 resource was replaced or deleted") < words.index("Timeline")
    assert "± replace old-dev (protected)" in words
    assert text.index("> [!CAUTION]") < text.index("| layer |")
    assert "replace **old-dev** (cidrBlock, tags) protected" in text


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "no changes"),
        ({"counts": Counter(create=1)}, "changes"),
        ({"outputs": {"a": 2}, "old_outputs": {"a": 1}}, "changes"),
        ({"steps": [Step("replace", VPC, "vpc-dev")]}, "replaces or deletes"),
        ({"status": OperationStatus.FAILED}, "failed"),
    ],
)
def test_a_layer_of_a_preview_is_coloured_by_its_result(make_report: Make, facts: dict[str, Any], state: str) -> None:
    assert make_report(operation("network", Action.PREVIEW, **facts)).states == {"network": state}
    assert make_report(operation("network", Action.PREVIEW, **facts), result="succeeded").state in {
        state,
        "no changes",
    }


def test_a_preview_has_the_gravest_result_of_its_layers(make_report: Make) -> None:
    same = operation("security", Action.PREVIEW)
    lost = operation("network", Action.PREVIEW, steps=[Step("delete", VPC, "vpc-dev")])
    some = operation("data", Action.PREVIEW, counts=Counter(update=1))
    assert make_report(same, lost, some, result="succeeded").state == "replaces or deletes"
    assert make_report(same, some, result="succeeded").state == "changes"
    assert make_report(same, result="succeeded").state == "no changes"
    assert make_report(same, lost, result="failed").state == "failed"


def test_the_timeline_has_a_bar_for_the_time_of_each_layer_that_ran(deploy: report.Report) -> None:
    bars = [attrs for _, attrs in page(deploy).tags if "bar" in (attrs.get("class") or "").split()]
    assert [re.sub(r"\s", "", bar["style"] or "") for bar in bars] == [
        "left:0.0%;width:50.0%",
        "left:50.0%;width:50.0%",
    ]


def test_a_run_in_which_no_layer_began_has_a_report(make_report: Make) -> None:
    given = make_report(
        operation("network", status=OperationStatus.SKIPPED, reason="interrupted", began=0.0, ended=0.0)
    )
    assert given.seconds == 0
    assert "interrupted" in page(given).words
    assert "interrupted" in report.as_markdown(given)


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (26.2, ["0 s", "5 s", "10 s", "15 s", "20 s", "25 s"]),
        (4.5, ["0 s", "1 s", "2 s", "3 s", "4 s"]),
        (900, ["0 s", "3 min 20 s", "6 min 40 s", "10 min", "13 min 20 s"]),
        (0, ["0 s"]),
    ],
)
def test_the_axis_has_round_marks(seconds: float, labels: list[str]) -> None:
    marks = dict(report.ticks(seconds))
    assert list(marks) == labels
    assert all(0 <= place <= 100 for place in marks.values())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 s"), (4.04, "4.0 s"), (59.4, "59.4 s"), (200, "3 min 20 s"), (3900, "1 h 5 min")]
)
def test_a_duration_has_at_most_two_units(seconds: float, text: str) -> None:
    assert report.duration(seconds) == text


def test_the_report_sums_up_its_layers(deploy: report.Report) -> None:
    given = deploy
    assert (given.seconds, given.work) == (pytest.approx(20), pytest.approx(20))
    assert given.changes == {"create": 2, "replace": 1}
    assert given.done == 1


def test_markdown_of_many_steps_fits_a_comment(make_report: Make) -> None:
    steps = [
        Step("create", "aws:cloudwatch/metricAlarm:MetricAlarm", f"alarm-number-{number}") for number in range(900)
    ]
    text = report.as_markdown(make_report(*(operation(layer, steps=steps) for layer in GRAPH)))
    assert len(text) < 65_536
    assert text.count("and 860 more") == len(GRAPH)


def test_both_files_are_written(deploy: report.Report, tmp_path: Path) -> None:
    paths = report.write(deploy, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["report.html", "report.md"]
    assert paths[0].read_text().startswith("<!doctype html>")
    assert json.dumps(paths[1].read_text()).startswith('"### ')
