"""Which layers a change affects, by git: for CI's matrix, and to deploy only what has changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository import git
from tools.orchestrator.repository.sources import deploys


@dataclass(frozen=True)
class Affected:
    """The layers that a change affects, with their dependents."""

    reasons: dict[str, list[str]]
    """Layer -> the changed files that deploy it, or else `depends on …`; in deploy order."""
    deleted: list[str]
    """Layers whose folder the change deletes. What they have deployed still exists."""

    @property
    def layers(self) -> list[str]:
        return list(self.reasons)


def affected(monorepo: Monorepo, base: str, env: str | None = None) -> Affected:
    """Return the layers affected by the changes of this branch and the work tree since they left `base`.

    With `env`, the settings of other environments do not count.

    Raises:
        OrchestratorError: git does not know `base`.
    """
    branch_point = git.branch_point(monorepo.root, base)
    files = git.changed_files(monorepo.root, branch_point)
    return affected_by(monorepo, files, env, deleted=git.deleted_files(monorepo.root, branch_point))


def affected_by(
    monorepo: Monorepo, files: Iterable[PurePath], env: str | None = None, *, deleted: Iterable[PurePath] = ()
) -> Affected:
    """Return the layers affected by a change of these files, some of which are deleted.

    Nothing can deploy a layer whose project is deleted, even if the graph has it.
    """
    changed = list(files)
    gone = sorted(path.parts[1] for path in deleted if path.match("projects/*/Pulumi.yaml"))
    touched = {
        layer: [str(path) for path in changed if deploys(monorepo, path, layer, env)]
        for layer in monorepo.deploy_order
    }
    reasons = {
        layer: paths
        or [f"depends on {other}" for other in touched if touched[other] and layer in monorepo.dependents(other)]
        for layer, paths in touched.items()
    }
    kept = {layer: found for layer, found in reasons.items() if found and layer not in gone}
    return Affected(kept, gone)
