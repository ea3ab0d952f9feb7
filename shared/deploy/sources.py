"""Which files deploy a layer."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

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
