"""Which files deploy a layer."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import PurePath

from shared.deploy import git
from shared.deploy.state import Update
from shared.deploy.workspace import ROOT
from shared.errors import TxmonError
from shared.layers import LAYERS


def deploys(path: PurePath, layer: str, env: str | None = None) -> bool:
    """Whether a file (relative to the repository, existing or not) deploys the layer in an environment, or in any.

    That is: its folder, without what only people read and the other environments' settings; the contracts it exports
    and reads; what stands directly in `shared/`; the pins. Not `shared/deploy`, `shared/localcloud` or
    `shared/policies`: they run, host and judge the programs, which stay the same. Tests and documents deploy nothing.
    """
    match path.parts:
        case ("requirements.txt",):
            return True
        case ("shared", name):
            return name.endswith(".py")
        case ("shared", "contracts", name):
            return name.removesuffix(".py") in {"__init__", "base", layer, *LAYERS[layer].reads}
        case ("projects", folder, *inner) if folder == layer:
            stack_file = re.fullmatch(r"Pulumi\.(.+)\.yaml", path.name)
            other = stack_file and env not in (None, stack_file[1])
            return not (other or path.suffix in {".md", ".pyc"} or any(part.startswith(".") for part in inner))
    return False


def sources_digest(layer: str, env: str) -> str:
    """Eight hex digits that change with what deploys the layer."""
    digest = hashlib.sha256()
    for path in _sources(layer, env):
        digest.update(str(path).encode() + (ROOT / path).read_bytes())
    return digest.hexdigest()[:8]


def _sources(layer: str, env: str) -> Iterator[PurePath]:
    for pattern in ("requirements.txt", "shared/**/*", f"projects/{layer}/**/*"):
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
