"""Which files deploy a layer."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePath

from shared.errors import TxmonError
from shared.graph import LAYERS
from tools.orchestrator.engine.stack_file_guard import without_keys
from tools.orchestrator.engine.workspace import ROOT
from tools.orchestrator.repository import git
from tools.orchestrator.state.stacks import Update

STACK_FILE = re.compile(r"Pulumi\.(.+)\.yaml")


def deploys(path: PurePath, layer: str, env: str | None = None) -> bool:
    """Whether a file (relative to the repository, existing or not) deploys the layer in an environment, or in any.

    That is: its folder, without the other environments' settings; the contracts it exports and reads; the pins; and
    all else in `shared/`, the policies too, as they decide whether a deploy goes on. Not `tools/orchestrator` and
    `shared/localcloud`: they run and host the programs, and whatever they are, the programs ask for the same
    resources. Tests, lock files, and what only people read, deploy nothing.
    """
    if path.name.endswith((".md", ".pyc", ".lock.json")) or any(part.startswith(".") for part in path.parts):
        return False
    match path.parts:
        case ("shared", "contracts", name) if (exporter := name.removesuffix(".py")) in LAYERS:
            return exporter in {layer, *LAYERS[layer].reads}
        case ("shared", *_) | ("requirements.txt",) | ("projects", "__init__.py"):
            return True
        case ("projects", folder, *_) if folder == layer:
            stack_file = STACK_FILE.fullmatch(path.name)
            return not stack_file or env in (None, stack_file[1])
    return False


def sources_digest(layer: str, env: str) -> str:
    """Eight hex digits that change with what deploys the layer."""
    digest = hashlib.sha256()
    for path in _sources(layer, env):
        content = (ROOT / path).read_bytes()
        digest.update(str(path).encode() + (without_keys(content) if STACK_FILE.fullmatch(path.name) else content))
    return digest.hexdigest()[:8]


def _sources(layer: str, env: str) -> Iterator[PurePath]:
    for pattern in ("requirements.txt", "shared/**/*", "projects/__init__.py", f"projects/{layer}/**/*"):
        for found in sorted(ROOT.glob(pattern)):
            path = found.relative_to(ROOT)
            if found.is_file() and deploys(path, layer, env):
                yield path


def changed_since(update: Update, layer: str, env: str) -> bool:
    """Whether the sources differ from those of an update.

    The runner writes their digest into the update's message; of one by plain pulumi only the commit is known, and
    where not even that, nothing is said to have changed.
    """
    told = re.search(r"sources (\w{8})", update.message)
    if told:
        return told.group(1) != sources_digest(layer, env)
    try:
        return bool(update.commit) and any(deploys(path, layer, env) for path in git.changed_files(update.commit))
    except TxmonError:
        return False
