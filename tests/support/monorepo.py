"""A small monorepo in a temporary folder, for tests of the orchestrator: it knows nothing of txmon's layers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml

from tools.engine.install import Engine
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.monorepo import Environment, Layer, Monorepo

GRAPH: Mapping[str, tuple[str, ...]] = {
    "base": (),
    "vault": (),
    "store": ("base", "vault"),
    "watch": ("base", "store"),
}
"""Layer -> the layers that it reads."""


@dataclass(frozen=True)
class Facts:
    """An environment; every `local…` is deployed to a local cloud."""

    name: str
    account_id: str | None = None
    secrets_provider: str | None = None
    backend: str | None = None

    @property
    def is_local(self) -> bool:
        return self.name.startswith("local")


class Spec:
    """An output that accepts every value."""

    def fault(self, _: Any) -> str | None:
        return None


class Config:
    """Accepts `size` (a number, 1 by default), `environmentSuffix` and `protect`."""

    @classmethod
    def effective(cls, given: Mapping[str, Any], project: str, env: str, stack_file: str) -> dict[str, Any]:
        defaults = {f"{project}:size": 1, f"{project}:environmentSuffix": env, f"{project}:protect": False}
        unknown = [key for key in given if key not in defaults and not key.startswith("aws:")]
        if unknown:
            raise pulumi.RunError(f"{stack_file}: nothing reads {', '.join(unknown)}")
        masked = {key: "[secret]" if isinstance(value, dict) else value for key, value in given.items()}
        return defaults | masked


def make_monorepo(
    root: Path,
    graph: Mapping[str, Iterable[str]] = GRAPH,
    *,
    environments: Iterable[str] = ("local", "dev"),
    outputs: Iterable[str] = ("name",),
    **more: Any,
) -> Monorepo:
    """Write the projects and stack files of a product called `shop` to `root` and return its monorepo."""
    layers = {
        name: Layer(
            name=name,
            owner=f"{name}-team",
            reads=frozenset(reads),
            config=lambda: Config,
            contract=lambda: {output: Spec() for output in outputs},
        )
        for name, reads in graph.items()
    }
    facts: dict[str, Any] = {"product": "shop", "environment": Facts} | more
    monorepo = Monorepo(root=root, layers=layers, **facts)
    for layer in layers:
        monorepo.project_file(layer).parent.mkdir(parents=True, exist_ok=True)
        monorepo.project_file(layer).write_text(f"name: {monorepo.project(layer)}\nruntime: python\n")
        for env in environments:
            monorepo.stack_file(layer, env).write_text("config:\n  aws:region: ap-northeast-1\n")
    return monorepo


def make_workspace(
    monorepo: Monorepo,
    env: str = "dev",
    *,
    environment: Environment | None = None,
    engine: Path | None = None,
    **variables: str,
) -> Workspace:
    """Return a workspace whose state is in the folder `state` of the monorepo, with the engine in the folder
    `engine`.

    Without `engine`, no command of the engine can run.
    """
    state = monorepo.root / "state"
    state.mkdir(exist_ok=True)
    found = Engine(engine or monorepo.root / "no-engine", "v3.300.0", "of a test")
    return Workspace(monorepo, environment or Facts(env), found, {"PULUMI_BACKEND_URL": state.as_uri(), **variables})


def change_settings(monorepo: Monorepo, layer: str, env: str, **values: Any) -> None:
    """Write settings of a layer, by their short keys, into a stack file."""
    path = monorepo.stack_file(layer, env)
    content = yaml.safe_load(path.read_text())
    content["config"] |= {f"{monorepo.project(layer)}:{key}": value for key, value in values.items()}
    path.write_text(yaml.safe_dump(content))
