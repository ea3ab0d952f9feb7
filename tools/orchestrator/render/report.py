"""The report of a run: a page that needs no network, and Markdown for a pull request."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from tools.orchestrator.engine.operation import Action, Operation, Status, Step, is_unknown
from tools.orchestrator.render import graph, palette
from tools.orchestrator.repository import git
from tools.orchestrator.run.drift import SECRET
from tools.orchestrator.run.journal import RunRecord
from tools.orchestrator.run.scheduler import Run

SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105 (the key under which the engine marks a secret)
MARKDOWN_STEPS = 40
"""Steps of a layer that Markdown shows: a comment on a pull request holds 65,536 characters."""
MARKDOWN = re.compile(r"[\\`*\[\]<>#|~&@]|\b_|_\b|^[-+]")
"""What Markdown and HTML take for more than a character."""
TICKS = 6
"""Intervals that the axis of the timeline has at most."""


@dataclass(frozen=True)
class Value:
    """An output: its text, and what it was before where that differs."""

    name: str
    text: str
    before: str | None


@dataclass(frozen=True)
class Section:
    """A layer in the report."""

    operation: Operation
    offset: float
    """When it began, in seconds after the first one."""

    @property
    def layer(self) -> str:
        return self.operation.layer

    @property
    def state(self) -> str:
        """How it ended; of a preview that went well, what it tells."""
        if not (self.operation.action.is_preview and self.operation.status is Status.SUCCEEDED):
            return str(self.operation.status)
        if self.losses:
            return "replaces or deletes"
        return "changes" if self.changes or any(value.before is not None for value in self.values) else "no changes"

    @property
    def changes(self) -> dict[str, int]:
        return self.operation.changed

    @property
    def losses(self) -> list[Step]:
        """Steps that lose what a resource holds."""
        return [step for step in self.operation.steps if step.loses]

    @property
    def is_destroy(self) -> bool:
        return self.operation.action is Action.DESTROY

    @property
    def values(self) -> list[Value]:
        """The outputs, changed ones first; a destroyed layer has none."""
        if self.is_destroy:
            return []
        before, after = self.operation.old_outputs, self.operation.outputs
        values = [_value(name, before, after) for name in sorted(before.keys() | after.keys())]
        return sorted(values, key=lambda value: value.before is None)


@dataclass(frozen=True)
class Report:
    """What a run did, or a preview would do."""

    record: RunRecord
    sections: list[Section]
    began: datetime

    @property
    def is_preview(self) -> bool:
        return any(section.operation.action.is_preview for section in self.sections)

    @property
    def warns(self) -> bool:
        """Whether something is lost that nobody asked to destroy."""
        return bool(self.losses) and not any(section.is_destroy for section in self.sections)

    @property
    def seconds(self) -> float:
        """Wall time from the first layer's begin to the last one's end."""
        return max((section.offset + section.operation.seconds for section in self.sections), default=0.0)

    @property
    def work(self) -> float:
        """The layers' times together: what the run would take one layer after another."""
        return sum(section.operation.seconds for section in self.sections)

    @property
    def changes(self) -> dict[str, int]:
        total = sum((Counter(section.changes) for section in self.sections), Counter[str]())
        return {op: total[op] for op in palette.CHANGES if total[op]}

    @property
    def losses(self) -> int:
        """How many resources are replaced or deleted."""
        return sum(len(section.losses) for section in self.sections)

    @property
    def states(self) -> dict[str, str]:
        return {section.layer: section.state for section in self.sections}

    @property
    def state(self) -> str:
        """How the run ended; of a preview that went well, the gravest of what it tells."""
        told = ("replaces or deletes", "changes")
        if not self.is_preview or self.record.result != "succeeded":
            return self.record.result
        return next((word for word in told if word in self.states.values()), "no changes")

    @property
    def done(self) -> int:
        """How many layers ended well."""
        return sum(section.operation.status is Status.SUCCEEDED for section in self.sections)


def record_of(run: Run) -> RunRecord:
    """The record of a preview, which no journal keeps."""
    commit, dirty = git.head()
    return RunRecord(verb=f"{run.action}-all", env=run.workspace.env, commit=commit, dirty=dirty, result=run.result)


def report_of(record: RunRecord, operations: Iterable[Operation]) -> Report:
    """The report of operations, which share one clock."""
    made = list(operations)
    first = min((operation.began for operation in made if operation.began), default=time.monotonic())
    began = min((each.began_at for each in made if each.began_at), default=datetime.now(UTC))
    return Report(record, [Section(each, each.began - first if each.began else 0.0) for each in made], began)


def write(report: Report, folder: Path) -> list[Path]:
    """Write `report.html` and `report.md`; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {folder / "report.html": as_html(report), folder / "report.md": as_markdown(report)}
    for path, text in pages.items():
        path.write_text(text)
    return list(pages)


def as_html(report: Report) -> str:
    """The page: everything is in it, and it runs nothing."""
    return _template("report.html.j2", str).render(report=report, marks=dict(ticks(report.seconds)))


def as_markdown(report: Report) -> str:
    """Markdown as GitHub and GitLab show it; what the run has said cannot break out of its place."""
    text = _template("report.md.j2", _markdown_text).render(report=report)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _template(name: str, escape: Callable[[Any], str]) -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else escape(value),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "palette": palette,
        "css": Markup(palette.css() + graph.SVG_STYLE),  # noqa: S704 (all of it is ours)
        "drawing": lambda states: Markup(graph.svg(states)),  # noqa: S704 (names of layers and words, escaped there)
        "mermaid": lambda states: Markup(graph.mermaid(states)),  # noqa: S704 (the same)
        "secret": SECRET,
        "limit": MARKDOWN_STEPS,
    }
    environment.filters |= {"duration": duration}
    return environment.get_template(name)


def _markdown_text(value: Any) -> Markup:
    """A text in which nothing is Markdown or HTML: every such character as an entity, which neither takes for one."""
    plain = str(value).replace("\n", " ")
    return Markup(MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", plain))  # noqa: S704 (nothing is left of it)


def ticks(seconds: float) -> Iterator[tuple[str, float]]:
    """The marks of an axis: label and place in per cent, at round distances."""
    steps = (factor * 10**power for power in range(6) for factor in (1, 2, 5))
    step = next(step for step in steps if step * TICKS >= seconds)
    for number in range(TICKS + 1):
        if number * step <= seconds:
            yield duration(number * step).replace(".0 s", " s"), 100 * number * step / max(seconds, step)


def duration(seconds: float) -> str:
    """`4.0 s`, `3 min 20 s`, `1 h 5 min`."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, whole = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {whole} s" if whole else f"{minutes} min"
    return f"{seconds:.1f} s"


def _value(name: str, before: dict[str, Any], after: dict[str, Any]) -> Value:
    changed = name in before and before[name] != after.get(name)
    return Value(name, shown(after[name]) if name in after else "removed", shown(before[name]) if changed else None)


def shown(value: Any) -> str:
    """An output as text; a secret masked, also inside of a list or a map."""
    if is_unknown(value):
        return "known after the deploy"
    plain = _masked(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return SECRET if SECRET_MARK in value else {name: _masked(part) for name, part in value.items()}
    return [_masked(part) for part in value] if isinstance(value, list) else value
