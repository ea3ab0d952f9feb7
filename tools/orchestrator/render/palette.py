"""The colours of statuses and changes, for the terminal, the graph and the reports.

A mark or a word goes with every colour, so that nobody has to see colours.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tone:
    """A colour with a meaning: its style on a terminal, and its (ink, fill) on light and dark pages."""

    terminal: str
    light: tuple[str, str]
    dark: tuple[str, str]


TONES = {
    "good": Tone("green", ("#11632f", "#dcf7e3"), ("#7ee2a2", "#12301f")),
    "active": Tone("cyan", ("#0b4f8f", "#dfeefc"), ("#8cc8ff", "#122b45")),
    "attention": Tone("yellow", ("#744a00", "#fdf0cd"), ("#f2c96b", "#36290d")),
    "bad": Tone("bold red", ("#a31225", "#ffe5e7"), ("#ff9ea7", "#43161c")),
    "quiet": Tone("dim", ("#56606b", "#eceff2"), ("#a7b1bc", "#232a32")),
}


@dataclass(frozen=True)
class Look:
    """How a status or a change is shown."""

    tone: str
    mark: str


STATES = {
    "succeeded": Look("good", "✓"),
    "ok": Look("good", "✓"),
    "no changes": Look("good", "✓"),
    "running": Look("active", "▸"),
    "changes": Look("active", "~"),
    "changed since": Look("attention", "!"),
    "stale": Look("attention", "!"),
    "removed": Look("attention", "!"),
    "skipped": Look("attention", "»"),
    "failed": Look("bad", "✕"),
    "interrupted": Look("bad", "!"),
    "forced": Look("bad", "!"),
    "replaces or deletes": Look("bad", "±"),
    "waiting": Look("quiet", "·"),
    "never": Look("quiet", "·"),
    "destroyed": Look("quiet", "·"),
}
"""Status -> look. A status is an `OperationStatus`, a `StackHealth`, the result of a run, or that of a preview."""

CHANGES = {
    "create": Look("good", "+"),
    "import": Look("good", "+"),
    "update": Look("active", "~"),
    "replace": Look("bad", "±"),
    "delete": Look("bad", "-"),
}

PLAIN = Look("quiet", "·")
"""The look of anything without a status, or with one that is not in `STATES`."""

PAGES: Mapping[str, Mapping[str, str]] = {
    "light": {"page": "#f6f7f9", "panel": "#ffffff", "text": "#1a1f26", "muted": "#59636e", "line": "#d9dee4"},
    "dark": {"page": "#0e1116", "panel": "#161b22", "text": "#e6eaf0", "muted": "#9aa5b1", "line": "#2c343d"},
}


def state(word: str) -> Look:
    """Return the look of a status."""
    return STATES.get(word, PLAIN)


def change(op: str) -> Look:
    """Return the look of a kind of change."""
    return CHANGES.get(op, PLAIN)


def terminal_style(word: str) -> str:
    """Return the style of a status for rich."""
    return TONES[state(word).tone].terminal


def css() -> str:
    """Return the light and dark colours as CSS: the page's, and a class with `--ink` and `--fill` for each tone."""
    return f"{_scheme('light')}\n@media (prefers-color-scheme: dark) {{\n{_scheme('dark')}\n}}"


def _scheme(scheme: str) -> str:
    page = "; ".join(f"--{name}: {colour}" for name, colour in PAGES[scheme].items())
    rules = [f":root {{ color-scheme: {scheme}; {page} }}"]
    for name, tone in TONES.items():
        ink, fill = tone.light if scheme == "light" else tone.dark
        rules.append(f".{name} {{ --ink: {ink}; --fill: {fill} }}")
    return "\n".join(rules)
