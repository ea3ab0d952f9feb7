"""Which layers a change touches, asked of git: for CI's matrix, and for a deploy-all of what has changed only."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from shared.environments import find_environment
from shared.graph import LAYERS, dependents, deploy_order
from tools.orchestrator.engine.workspace import ROOT
from tools.orchestrator.repository import git
from tools.orchestrator.repository.sources import deploys

SHOWN = 3
"""How many of a layer's changed files the text names."""


@dataclass(frozen=True)
class Affected:
    """The layers that a change touches, and those that read them."""

    because: dict[str, list[str]]
    """Layer -> the changed files that deploy it, or the layers it depends on; in the order they deploy in."""
    deleted: list[str]
    """Layers whose folder the change deletes: what they deployed is still there."""

    @property
    def layers(self) -> list[str]:
        return list(self.because)


def affected(base: str, env: str | None = None) -> Affected:
    """The layers affected by what this branch and the work tree change since they left `base`.

    With `env`, the settings of other environments do not count.

    Raises:
        TxmonError: git does not know `base`, or there is no environment `env`.
    """
    if env is not None:
        find_environment(env)
    return of_files(git.changed_files(git.branch_point(base)), env)


def of_files(files: Iterable[PurePath], env: str | None = None) -> Affected:
    """The layers affected by a change of these files."""
    changed = list(files)
    deleted = _deleted(changed)
    touched = {layer: [str(path) for path in changed if deploys(path, layer, env)] for layer in deploy_order()}
    because = {
        layer: paths or [f"depends on {below}" for below in touched if touched[below] and layer in dependents(below)]
        for layer, paths in touched.items()
    }
    kept = {layer: reasons for layer, reasons in because.items() if reasons and layer not in deleted}
    return Affected(kept, deleted)


def _deleted(changed: Iterable[PurePath]) -> list[str]:
    """Also a layer that `shared.graph` still names: without its project nothing can deploy it."""
    projects = [path for path in changed if path.match("projects/*/Pulumi.yaml")]
    return sorted(path.parts[1] for path in projects if not (ROOT / path).exists())


def as_text(found: Affected) -> str:
    """A line a layer, with the reason."""
    width = max(map(len, LAYERS))
    lines = [f"{layer:{width}}  {_listed(reasons)}" for layer, reasons in found.because.items()]
    lines += [
        f"{layer} is deleted: ./inv destroy {layer} --env ENV, in each ENV that has it" for layer in found.deleted
    ]
    return "\n".join(lines) or "no layer is affected"


def _listed(reasons: list[str]) -> str:
    shown, more = reasons[:SHOWN], len(reasons) - SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def as_json(found: Affected) -> str:
    """One line, `{"layers": […], "because": {…}, "deleted": […]}`: `layers` is what CI's matrix takes."""
    return json.dumps({"layers": found.layers, "because": found.because, "deleted": found.deleted})
