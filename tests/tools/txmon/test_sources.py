"""The files that deploy txmon's layers."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.contracts import CONTRACTS
from tools.orchestrator.repository.sources import deploys
from tools.txmon.monorepo import MONOREPO, ROOT

CONTRACT_FILES = {contract.__name__: ROOT / f"shared/contracts/{layer}.py" for layer, contract in CONTRACTS.items()}


def shared_imports(path: Path) -> Iterator[Path]:
    """Yield the modules of `shared` that a module imports, and of the contracts the named ones."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shared"):
            yield from (CONTRACT_FILES[alias.name] for alias in node.names if alias.name in CONTRACT_FILES)
            for name in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]:
                found = ROOT / name.replace(".", "/")
                yield from (p for p in (found.with_suffix(".py"), found / "__init__.py") if p.exists())


@pytest.mark.parametrize("layer", MONOREPO.layers)
def test_every_shared_module_that_a_layer_imports_deploys_it(layer: str) -> None:
    seen: set[Path] = set()
    waiting = set((ROOT / "projects" / layer).rglob("*.py"))
    while waiting:
        path = waiting.pop()
        seen.add(path)
        if (
            path != ROOT / "shared/contracts/__init__.py"
        ):  # it imports every contract, whether or not a layer needs it
            waiting |= set(shared_imports(path)) - seen
    imported = {path.relative_to(ROOT) for path in seen} - {Path("shared/__init__.py")}
    assert Path("shared/contracts/contract.py") in imported
    assert not [path for path in imported if not deploys(MONOREPO, path, layer)]
