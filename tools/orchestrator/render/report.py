"""The report of a run: an HTML page that needs no network, and Markdown for a pull request."""

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

from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import SECRET, Action, Operation, OperationStatus, Step
from tools.orchestrator.model.values import value_text
from tools.orchestrator.render import graph, palette
from tools.orchestrator.repository import git
from tools.orchestrator.run.journal import RunRecord
from tools.orchestrator.run.scheduler import Run

MARKDOWN_STEPS = 40
"""Steps of a layer that the Markdown shows. A comment on a pull request holds 65,536 characters."""
MARKDOWN = re.compile(r"[\\`*\[\]<>#|~&@]|\b_|_\b|^[-+]")
"""Characters with a meaning in Markdown or HTML."""
TICKS = 6
"""The most intervals on the timeline's axis."""


@dataclass(frozen=True)
class Value:
    """An output as text, and its old value if that differs."""

    name: str
    text: str
    before: str | None


@dataclass(frozen=True)
class Section:
    """A layer in the report."""

    operation: Operation
    offset: float
    """When it began, in seconds after the first layer."""

    @property
    def layer(self) -> str:
        return self.operation.layer

    @property
    def state(self) -> str:
        """How the operation ended, or the result of a preview that succeeded."""
        if not (self.operation.action.is_preview and self.operation.status is OperationStatus.SUCCEEDED):
            return str(self.operation.status)
        if self.losses:
            return "replaces or deletes"
        return "changes" if self.changes or any(value.before is not None for value in self.values) else "no changes"

    @property
    def changes(self) -> dict[str, int]:
        return self.operation.changes

    @property
    def losses(self) -> list[Step]:
        """The steps that lose a resource."""
        return [step for step in self.operation.steps if step.is_loss]

    @property
    def is_destroy(self) -> bool:
        return self.operation.action is Action.DESTROY

    @property
    def values(self) -> list[Value]:
        """The outputs, changed ones first; none for a destroy."""
        if self.is_destroy:
            return []
        before, after = self.operation.old_outputs, self.operation.outputs
        values = [_value(name, before, after) for name in sorted(before.keys() | after.keys())]
        return sorted(values, key=lambda value: value.before is None)


@dataclass(frozen=True)
class Report:
    """What a run did, or what a preview would do."""

    monorepo: Monorepo
    record: RunRecord
    sections: list[Section]
    began: datetime

    @property
    def is_preview(self) -> bool:
        return any(section.operation.action.is_preview for section in self.sections)

    @property
    def warns(self) -> bool:
        """Whether a resource is lost in a run that is not a destroy."""
        return bool(self.losses) and not any(section.is_destroy for section in self.sections)

    @property
    def seconds(self) -> float:
        """Wall time from the start of the first layer to the end of the last."""
        return max((section.offset + section.operation.seconds for section in self.sections), default=0.0)

    @property
    def work(self) -> float:
        """The sum of the layers' times, in seconds: how long they would take one after the other."""
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
        """How the run ended, or the gravest result of a preview that succeeded."""
        gravest_first = ("replaces or deletes", "changes")
        if not self.is_preview or self.record.result != "succeeded":
            return self.record.result
        return next((word for word in gravest_first if word in self.states.values()), "no changes")

    @property
    def done(self) -> int:
        """How many layers succeeded."""
        return sum(section.operation.status is OperationStatus.SUCCEEDED for section in self.sections)


def record_of(run: Run) -> RunRecord:
    """Return the record of a preview, which has no journal."""
    commit, dirty = git.head(run.workspace.monorepo.root)
    return RunRecord(verb=f"{run.action}-all", env=run.workspace.env, commit=commit, dirty=dirty, result=run.result)


def report_of(record: RunRecord, operations: Iterable[Operation], monorepo: Monorepo) -> Report:
    """Return the report of a run's operations."""
    found = list(operations)
    first = min((operation.began for operation in found if operation.began), default=time.monotonic())
    began = min((operation.began_at for operation in found if operation.began_at), default=datetime.now(UTC))
    sections = [Section(operation, operation.began - first if operation.began else 0.0) for operation in found]
    return Report(monorepo, record, sections, began)


def write(report: Report, folder: Path) -> list[Path]:
    """Write `report.html` and `report.md`; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {folder / "report.html": as_html(report), folder / "report.md": as_markdown(report)}
    for path, text in pages.items():
        path.write_text(text, "utf-8")
    return list(pages)


def as_html(report: Report) -> str:
    """Return the HTML page, which loads nothing and runs no script."""
    return _template("report.html.j2", report.monorepo, str).render(report=report, marks=dict(ticks(report.seconds)))


def as_markdown(report: Report) -> str:
    """Return Markdown for GitHub and GitLab, in which text of the run cannot act as markup."""
    text = _template("report.md.j2", report.monorepo, _markdown_text).render(report=report)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _template(name: str, monorepo: Monorepo, escape: Callable[[Any], str]) -> Template:
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
        "drawing": lambda states: Markup(graph.svg(monorepo, states)),  # noqa: S704 (names of layers and words, escaped there)
        "mermaid": lambda states: Markup(graph.mermaid(monorepo, states)),  # noqa: S704 (the same)
        "secret": SECRET,
        "limit": MARKDOWN_STEPS,
    }
    environment.filters |= {"duration": duration}
    return environment.get_template(name)


def _markdown_text(value: Any) -> Markup:
    """Return a text with an entity in place of every character that Markdown or HTML would interpret."""
    plain = str(value).replace("\n", " ")
    return Markup(MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", plain))  # noqa: S704 (nothing to interpret is left)


def ticks(seconds: float) -> Iterator[tuple[str, float]]:
    """Yield the marks of the timeline's axis at round distances, as (label, position in per cent)."""
    steps = (factor * 10**power for power in range(6) for factor in (1, 2, 5))
    step = next(step for step in steps if step * TICKS >= seconds)
    for number in range(TICKS + 1):
        if number * step <= seconds:
            yield duration(number * step).replace(".0 s", " s"), 100 * number * step / max(seconds, step)


def duration(seconds: float) -> str:
    """Return a duration as in `4.0 s`, `3 min 20 s` or `1 h 5 min`."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, whole = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {whole} s" if whole else f"{minutes} min"
    return f"{seconds:.1f} s"


def _value(name: str, before: dict[str, Any], after: dict[str, Any]) -> Value:
    changed = name in before and before[name] != after.get(name)
    return Value(
        name, value_text(after[name]) if name in after else "removed", value_text(before[name]) if changed else None
    )
