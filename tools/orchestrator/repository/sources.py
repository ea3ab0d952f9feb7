"""Which files deploy a layer."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePath

from tools.orchestrator.engine.stack_file_copy import without_keys
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.stack import UpdateRecord
from tools.orchestrator.repository import git

STACK_FILE = re.compile(r"Pulumi\.(.+)\.yaml")


def deploys(monorepo: Monorepo, path: PurePath, layer: str, env: str | None = None) -> bool:
    """Return whether a file deploys a layer in `env`, by default in any environment. The file need not exist.

    These files do: the layer's folder without the settings of other environments; the contracts that it exports and
    reads; the pinned requirements; and the rest of `shared/` with its policies, which can stop a deploy. Tests, tools
    and pages do not: they do not change which resources the programs declare.
    """
    if (
        path.suffix in {".md", ".pyc"}
        or path.name.endswith(".lock.json")
        or any(p.startswith(".") for p in path.parts)
    ):
        return False
    match path.parts:
        case ("shared", "contracts", name) if (exporter := name.removesuffix(".py")) in monorepo.layers:
            return exporter in {layer, *monorepo.layers[layer].reads}
        case ("shared", *_) | ("requirements.txt",) | ("projects", "__init__.py"):
            return True
        case ("projects", folder, *_) if folder == layer:
            stack_file = STACK_FILE.fullmatch(path.name)
            return not stack_file or env in (None, stack_file[1])
    return False


def sources_digest(monorepo: Monorepo, layer: str, env: str) -> str:
    """Return eight hex digits that change with the files that deploy the layer."""
    digest = hashlib.sha256()
    for path in _sources(monorepo, layer, env):
        content = (monorepo.root / path).read_bytes()
        digest.update(str(path).encode() + (without_keys(content) if STACK_FILE.fullmatch(path.name) else content))
    return digest.hexdigest()[:8]


def _sources(monorepo: Monorepo, layer: str, env: str) -> Iterator[PurePath]:
    for pattern in ("requirements.txt", "shared/**/*", "projects/__init__.py", f"projects/{layer}/**/*"):
        for found in sorted(monorepo.root.glob(pattern)):
            path = found.relative_to(monorepo.root)
            if found.is_file() and deploys(monorepo, path, layer, env):
                yield path


def changed_since(monorepo: Monorepo, update: UpdateRecord, layer: str, env: str) -> bool:
    """Return whether the sources differ from those of an update.

    The orchestrator writes their digest into the update's message. An update by plain pulumi names at most its
    commit; without that, nothing counts as changed.
    """
    digest = re.search(r"sources (\w{8})", update.message)
    if digest:
        return digest[1] != sources_digest(monorepo, layer, env)
    try:
        changed = git.changed_files(monorepo.root, update.commit) if update.commit else []
    except OrchestratorError:
        return False
    return any(deploys(monorepo, path, layer, env) for path in changed)
