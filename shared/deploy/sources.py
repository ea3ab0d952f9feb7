"""Which files deploy a layer."""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from shared.deploy.state import Update
from shared.deploy.workspace import ROOT


def sources_digest(layer: str, env: str) -> str:
    """Eight hex digits that change with what deploys the layer: its folder and stack file, shared code, pins."""
    digest = hashlib.sha256()
    for path in _sources(layer, env):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def _sources(layer: str, env: str) -> Iterator[Path]:
    folder = ROOT / "projects" / layer
    yield from sorted(folder.rglob("*.py"))
    yield folder / "Pulumi.yaml"
    yield folder / f"Pulumi.{env}.yaml"
    yield from sorted((ROOT / "shared").glob("*.py"))
    yield from sorted((ROOT / "shared" / "contracts").glob("*.py"))
    yield ROOT / "requirements.txt"


def changed_since(update: Update, layer: str, env: str) -> bool:
    """Whether the sources differ from those of an update.

    The runner writes their digest into the update's message; of one by plain pulumi only the commit is known, and
    where not even that, nothing is said to have changed.
    """
    told = re.search(r"sources (\w{8})", update.message)
    if told:
        return told.group(1) != sources_digest(layer, env)
    if not update.commit:
        return False
    compare = ["git", "diff", "--quiet", update.commit, "--", *map(str, _sources(layer, env))]
    return subprocess.run(compare, cwd=ROOT, capture_output=True, check=False).returncode == 1
