"""The repository that the orchestrator works on: Pulumi projects, the graph between them, and where each one lies.

Whoever starts the orchestrator builds a `Monorepo` and hands it in; nothing here knows a layer, a product or an
environment by name.
"""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Protocol

from tools.orchestrator.model.errors import OrchestratorError


class Environment(Protocol):
    """Facts of an environment that hold for all of its layers. Its name is the name of their stacks."""

    @property
    def name(self) -> str: ...

    @property
    def is_local(self) -> bool:
        """Whether it is deployed to the local cloud; otherwise it is deployed to an AWS account."""

    @property
    def account_id(self) -> str | None:
        """The only account that may be changed; None if the credentials decide."""

    @property
    def secrets_provider(self) -> str | None:
        """Pulumi's secrets provider for a new stack; None for the backend's default."""

    @property
    def backend(self) -> str | None:
        """The URL of the state backend; None for the one that `pulumi login` has chosen."""


@dataclass(frozen=True)
class OnLocalCloud:
    """An environment that is previewed on the local cloud instead of where it lives."""

    name: str
    is_local: bool = True
    account_id: str | None = None
    secrets_provider: str | None = None
    backend: str | None = None


class LocalCloud(Protocol):
    """The emulator on this machine that local environments are deployed to."""

    def start(self, *, port: int | None = None) -> Path | None:
        """Start it unless it runs; returns where the old Pulumi state was moved if the emulator had lost its own."""

    def variables(self) -> dict[str, str]:
        """Return the environment variables that lead the engine, AWS's SDKs and programs to it."""

    def servers(self) -> Sequence[object]:
        """Return what is behind the endpoints of databases and caches; the text of each is a line for the user."""

    def created(self, urns: Iterable[str]) -> dict[str, str]:
        """Return the ids of those of `urns` that it has created, even if no engine heard of it."""


class OutputSpec(Protocol):
    """What the contract of a layer says about one output."""

    def fault(self, value: Any) -> str | None:
        """Return what is wrong with a value; None if it conforms."""


class ConfigClass(Protocol):
    """The typed configuration of a layer."""

    @classmethod
    def effective(cls, given: Mapping[str, Any], project: str, env: str, stack_file: str) -> dict[str, Any]:
        """Return every setting by its full key: as `given` in the stack file, else the default.

        Raises:
            pulumi.RunError: a setting is not accepted.
        """


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What is known of a Pulumi project without running it."""

    name: str
    owner: str
    summary: str = ""
    reads: frozenset[str] = frozenset()
    """The layers whose outputs its program reads."""
    config: Callable[[], type[ConfigClass]]
    """Returns the class of its configuration. Importing it takes half a second, so call it only for settings."""
    contract: Callable[[], Mapping[str, OutputSpec]]
    """Loads its outputs by name; imports the SDK too."""
    output_readers: Callable[[], Mapping[str, Collection[str]]] = dict
    """Loads which layers use each of its outputs."""


@dataclass(frozen=True, kw_only=True)
class Monorepo:
    """Pulumi projects in `<root>/projects/<layer>` that make one product."""

    root: Path
    product: str
    layers: Mapping[str, Layer]
    environment: Callable[[str], Environment]
    """Returns the facts of an environment, whether or not it has stack files."""
    declared_environments: Collection[str] = ()
    """The environments about which the repository states facts; each has to exist."""
    check_name: Callable[[str], object] = str
    """Raises ValueError if an environment's name leads to names that AWS refuses."""
    local_cloud: LocalCloud | None = None
    application_outputs: Mapping[str, str] = field(default_factory=dict)
    """Output -> its layer, for the outputs that applications outside the repository use."""
    stateful_types: Collection[str] = ()
    """The types of resources that cannot be made again as they were."""
    deleted_unused_types: Collection[str] = ()
    """The types of resources that AWS does not delete while something uses them."""
    required_if_protected: Mapping[str, str] = field(default_factory=dict)
    """Layer -> a setting that has to be in its stack file where the environment is protected and on AWS."""
    account_fault: Callable[[str, str], str | None] = lambda _env, _region: None
    """Returns what the account of a protected environment lacks in a region, with what mends it; None if nothing."""
    unlike_others: Mapping[str, tuple[str, Callable[[Collection[Any]], Any]]] = field(default_factory=dict)
    """Layer -> a setting of which a new environment gets its own value, and what chooses it, from those of others."""
    not_copied: Collection[tuple[str, str]] = ()
    """Layer and setting of what a new environment does not have from the one that it is like."""
    policy_pack: Path | None = None
    """The policy pack of every layer, an executable."""
    preload: str | None = None
    """The module that imports what the layers' programs import, before they are forked."""

    @property
    def projects(self) -> Path:
        return self.root / "projects"

    @property
    def work_folder(self) -> Path:
        """Where the orchestrator keeps what it must remember of this clone."""
        return self.root / f".{self.product}"

    def project(self, layer: str) -> str:
        """Return the Pulumi project of a layer: `txmon-network` for `network`."""
        return f"{self.product}-{layer}"

    def layer_of(self, project: str) -> str | None:
        """Return `network` for `txmon-network`, also for a removed layer; None for another product's project."""
        prefix = self.project("")
        return project.removeprefix(prefix) if project.startswith(prefix) else None

    def variable(self, name: str) -> str:
        """Return an environment variable of this product: `TXMON_POLICY_PORT` for `POLICY_PORT`."""
        return f"{self.product.upper()}_{name}"

    def folder(self, layer: str) -> Path:
        """Return where the engine runs for a layer. A removed layer has no folder; its stack does not need one."""
        return self.projects / layer if layer in self.layers else self.root

    def project_file(self, layer: str) -> Path:
        return self.projects / layer / "Pulumi.yaml"

    def stack_file(self, layer: str, env: str) -> Path:
        return self.projects / layer / f"Pulumi.{env}.yaml"

    def display(self, path: Path) -> str:
        """Return a path as a user would type it, as in `projects/network/Pulumi.dev.yaml`."""
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)

    @cached_property
    def deploy_order(self) -> list[str]:
        """Every layer after those that it reads. Reversed, it is the order to destroy in."""
        return list(TopologicalSorter({name: layer.reads for name, layer in self.layers.items()}).static_order())

    def readers(self, layer: str) -> list[str]:
        """Return the layers that read `layer` directly, in deploy order."""
        return [name for name in self.deploy_order if layer in self.layers[name].reads]

    def dependents(self, layer: str) -> list[str]:
        """Return the layers that read `layer`, directly or through others, in deploy order."""
        found = {layer}
        for name in self.deploy_order:
            if self.layers[name].reads & found:
                found.add(name)
        return [name for name in self.deploy_order if name in found - {layer}]

    def upstreams_outside(self, chosen: Collection[str]) -> dict[str, list[str]]:
        """Return each layer that is not chosen but read by a chosen one -> those that read it."""
        return {
            upstream: readers
            for upstream in self.deploy_order
            if upstream not in chosen and (readers := [name for name in self.readers(upstream) if name in chosen])
        }

    def removed_layers(self, names: Iterable[str]) -> list[str]:
        """Return those of some deployed layers that the repository no longer has, sorted.

        A name with a slash is a stack of another product or environment, as in `project/stack`.
        """
        return sorted(name for name in names if "/" not in name and name not in self.layers)

    def find_layer(self, name: str) -> str:
        """Return the layer `name`.

        Raises:
            OrchestratorError: there is no such layer; names the nearest one.
        """
        if name not in self.layers:
            raise OrchestratorError(f"there is no layer {name!r}; {suggestion(name, list(self.layers))}")
        return name


def suggestion(name: str, known: list[str]) -> str:
    """Return `did you mean 'network'?`, or the names that there are."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
