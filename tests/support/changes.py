"""One change of a setting: planned, deployed and planned again on the local cloud, and what it cost."""

import json
import operator
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from shared.graph import project
from tests.support.cost_table import Change, Replacement
from tests.support.servers import remove_servers
from tools.engine.install import find_engine
from tools.localcloud.lifecycle import LocalCloud
from tools.orchestrator.engine.workspace import open_workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import Action, Operation, Step
from tools.orchestrator.run.in_use import require_unused
from tools.orchestrator.run.plan import plan_of
from tools.orchestrator.run.scheduler import Run
from tools.orchestrator.state.checkpoints import read_snapshot
from tools.txmon.monorepo import MONOREPO

ENV = "local"
REFUSED_BY_RDS = "InvalidParameterCombination"
"""The code with which RDS refuses a change of an instance that it never makes."""
MOST_NAMED = 4
"""How many resources a cell of the page names."""

RESTARTS: Mapping[tuple[str, str], Callable[[Any, Any], bool]] = {
    # RDS User Guide, "Settings for DB instances": the column "Downtime notes".
    ("aws:rds/instance:Instance", "instanceClass"): operator.ne,
    ("aws:rds/instance:Instance", "engineVersion"): operator.ne,
    ("aws:rds/instance:Instance", "backupRetentionPeriod"): lambda old, new: bool(old) != bool(new),
    # ElastiCache User Guide, "Online vertical scaling": the primary moves once, within seconds.
    ("aws:elasticache/replicationGroup:ReplicationGroup", "nodeType"): operator.ne,
}
"""Type and input -> whether its change from one value to another interrupts connections."""

SECRETS = {("monitoring", "subscriptions")}
"""Settings whose values have to be encrypted."""

REPLACEABLE = '''
import json
import pulumi

with open("../generations.json") as file:
    generations = json.load(file)


def replaceable(args):
    """Let a resource be replaced by a new generation, and delete it first if its name is fixed."""
    generation, own = generations.get(args.name, 0), args.opts.replacement_trigger
    args.opts.replacement_trigger = generation if own is None else pulumi.Output.all(own, generation)
    if any(args.props.get(key) for key in ("name", "identifier", "replication_group_id")):
        args.opts.delete_before_replace = True
    return pulumi.ResourceTransformationResult(args.props, args.opts)


pulumi.runtime.register_stack_transformation(replaceable)
'''
"""Begins each program: the engine's own `--replace` does not ask the provider whether to delete first."""


@dataclass(frozen=True)
class Effect:
    """What a change did, or why it was refused."""

    steps: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    """Layer -> what was done to it."""
    restarted: Collection[str] = ()
    """The resources whose connections it interrupted, by name."""
    refusal: str = ""

    @property
    def words(self) -> str:
        """The gravest consequence, with the resources that it concerns."""
        if self.refusal:
            return f"refused: {self._why_refused}"
        return self._gravest([step for steps in self.steps.values() for step in steps])

    def words_without(self, layer: str) -> str:
        """The gravest consequence for each other layer."""
        if self.refusal:
            return self.words
        others = {name: steps for name, steps in self.steps.items() if steps and name != layer}
        return "; ".join(f"{name}: {self._gravest(steps)}" for name, steps in others.items()) or "no change"

    @property
    def _why_refused(self) -> str:
        if "while other layers use it" in self.refusal:
            return "in use"
        if REFUSED_BY_RDS in self.refusal:
            return "RDS"
        protected = ("marked for protection", "because it is protected")
        return "protected" if any(words in self.refusal for words in protected) else "settings"

    def _gravest(self, steps: Sequence[Step]) -> str:
        for word, chosen in (
            ("lost", [step for step in steps if step.is_state_loss]),
            ("restart", [step for step in steps if step.name in self.restarted]),
            ("replaced", [step for step in steps if step.op == "replace"]),
            ("deleted", [step for step in steps if step.op == "delete"]),
        ):
            if chosen:
                names = sorted(step.name.removesuffix(f"-{ENV}") for step in chosen)
                return f"{word}: {', '.join(names) if len(names) <= MOST_NAMED else f'{len(names)} resources'}"
        return "in place" if steps else "no change"


def _restarted(plan: Operation) -> Iterator[str]:
    """Yield the resources whose connections a planned deployment interrupts."""
    for urn, resource in plan.planned.items():
        before = plan.present.get(urn)
        for (kind, key), interrupts in RESTARTS.items():
            if before and kind == resource.type and interrupts(before.inputs.get(key), resource.inputs.get(key)):
                yield resource.name


class DeployedProfile:
    """All layers with the settings of `dev` or `prod`, deployed to a local cloud in a folder of its own."""

    def __init__(self, root: Path, profile: str) -> None:
        """Copy the projects to `root`; the programs themselves import this work tree."""
        self._root = root
        for layer in MONOREPO.layers:
            folder = root / "projects" / layer
            folder.mkdir(parents=True)
            shutil.copy(MONOREPO.projects / layer / "Pulumi.yaml", folder)
            program = (MONOREPO.projects / layer / "__main__.py").read_text(encoding="utf-8")
            (folder / "__main__.py").write_text(REPLACEABLE + program, encoding="utf-8")
            settings = yaml.safe_load(MONOREPO.stack_file(layer, profile).read_text(encoding="utf-8"))["config"]
            salt = yaml.safe_load(MONOREPO.stack_file(layer, ENV).read_text(encoding="utf-8"))["encryptionsalt"]
            self._write(layer, settings, salt)
        self._generations: dict[str, int] = {}
        self._write_generations()
        self.cloud = LocalCloud(root / ".local")
        self._monorepo = replace(MONOREPO, root=root, local_cloud=self.cloud)
        self.cloud.start()
        environment = self._monorepo.environment(ENV)
        self._workspace = open_workspace(self._monorepo, environment, find_engine(print), self.cloud.variables())

    def _write(self, layer: str, settings: dict[str, Any], salt: str) -> None:
        content = yaml.safe_dump({"config": settings, "encryptionsalt": salt})
        (self._root / "projects" / layer / f"Pulumi.{ENV}.yaml").write_text(content, encoding="utf-8")

    def change(self, layer: str, setting: str, value: Any) -> Any:
        """Write a setting into the stack file and return the one that was there; None stands for none."""
        content = yaml.safe_load(self._monorepo.stack_file(layer, ENV).read_text(encoding="utf-8"))
        key = f"{project(layer)}:{setting}"
        before = content["config"].pop(key, None)
        if value is not None:
            content["config"][key] = value
        self._write(layer, content["config"], content["encryptionsalt"])
        if (layer, setting) in SECRETS and before is None:
            self._workspace.call(layer, "config", "set", "--secret", key, json.dumps(value))
        return before

    def deploy(self, layers: Collection[str] = tuple(MONOREPO.layers)) -> list[Operation]:
        """Deploy layers and return their operations.

        Raises:
            OrchestratorError: a layer failed.
        """
        missing = read_snapshot(self._workspace).without_stack(layers)
        return self._run(Action.UP, layers, missing=missing)

    def replace(self, name: str, generation: int = 1) -> None:
        """Have the next deploy replace a resource, named without the environment, unless it is of this generation."""
        self._generations[f"{name}-{ENV}"] = generation
        self._write_generations()

    def _write_generations(self) -> None:
        (self._root / "projects/generations.json").write_text(json.dumps(self._generations), encoding="utf-8")

    def effect(self, layer: str) -> Effect:
        """Plan what the settings ask for, deploy it, and check that the deploy kept to the plan and left nothing.

        The readers of the layer are included if its outputs would change.

        Raises:
            OrchestratorError: the deploy failed.
        """
        layers = [layer]
        try:
            planned = self._plan(layers)
            if planned[0].outputs != planned[0].old_outputs:
                layers += self._monorepo.dependents(layer)
                planned = self._plan(layers)
        except OrchestratorError as error:
            return Effect(refusal=str(error))
        try:
            done = self.deploy(layers)
        except OrchestratorError as error:
            if REFUSED_BY_RDS in str(error):
                return Effect(refusal=str(error))
            raise
        for plan, deployed in zip(planned, done, strict=True):
            _check_kept(_by_resource(plan), _by_resource(deployed))
        left = [step for plan in self._plan(layers) for step in plan.steps]
        assert not left, f"the second plan is not empty: {left}"
        restarted = {name for plan in planned for name in _restarted(plan)}
        return Effect({operation.layer: operation.steps for operation in done}, restarted)

    def _plan(self, layers: Collection[str]) -> list[Operation]:
        snapshot = read_snapshot(self._workspace)
        previews = self._run(Action.PREVIEW, layers)
        require_unused(self._workspace, snapshot, plan_of(ENV, previews))
        return previews

    def _run(self, action: Action, layers: Collection[str], **more: Any) -> list[Operation]:
        graph = {
            layer: self._monorepo.layers[layer].reads for layer in self._monorepo.deploy_order if layer in layers
        }
        with TemporaryDirectory() as folder:
            run = Run(self._workspace, action, graph, Path(folder), **more)
            run.execute(lambda *_: None, 2)
        operations = list(run.operations.values())
        faults = [f"{operation.layer}: {operation.reason}" for operation in operations if operation.reason]
        if not run.ok:
            raise OrchestratorError("; ".join(faults))
        return operations


class Profiles:
    """Deploys `dev` or `prod` when a test needs it."""

    def __init__(self, new_folder: Callable[[str], Path], name: str) -> None:
        self._new_folder = new_folder
        self._name = name
        self._deployed: DeployedProfile | None = None

    @property
    def deployed(self) -> DeployedProfile:
        if self._deployed is None:
            self._deployed = DeployedProfile(self._new_folder(self._name), self._name)
            self._deployed.deploy()
        return self._deployed

    def discard(self) -> None:
        """Stop the local cloud; the next test gets a new profile."""
        if self._deployed is not None:
            self._deployed.cloud.stop()
            remove_servers(self._deployed.cloud.home)
            self._deployed = None


def check_replacement(profiles: Profiles, replacement: Replacement) -> None:
    """Replace a resource, and compare what that did to the readers of its layer with the page."""
    profile = profiles.deployed
    profile.replace(replacement.resource)
    try:
        effect = profile.effect(replacement.layer)
    except BaseException:
        profiles.discard()
        raise
    if effect.refusal:
        profile.replace(replacement.resource, 0)
    found = effect.words_without(replacement.layer)
    assert found == replacement.cost, f"{found} {effect.refusal}"


def check(profiles: Profiles, change: Change) -> None:
    """Make a change and undo it, and compare what both did with the page."""
    profile = profiles.deployed
    undone = False
    try:
        before = profile.change(change.layer, change.setting, change.value)
        made = profile.effect(change.layer)
        profile.change(change.layer, change.setting, before)
        back = made if made.refusal else profile.effect(change.layer)
        undone = back is made or not back.refusal
    finally:
        if not undone:
            profiles.discard()
    found = _cost(made, back)
    assert found == change.cost, f"{found} {made.refusal or back.refusal}"


def _cost(made: Effect, back: Effect) -> str:
    """Return the cell of the page; it names the way back only if that costs something else."""
    if back.words == made.words:
        return made.words
    return f"{made.words}; back: {back.words}"


def _by_resource(operation: Operation) -> dict[tuple[str, str, str], Step]:
    return {(step.op, step.type, step.name): step for step in operation.steps}


def _check_kept(planned: dict[tuple[str, str, str], Step], done: dict[tuple[str, str, str], Step]) -> None:
    """Check that a deploy did what its plan said.

    What depends on a value that only the deploy shows is planned as changed, and may stay as it is. A loss may not.
    """
    assert done.keys() <= planned.keys(), "the deploy did what the plan did not say"
    spared = [planned[key] for key in planned.keys() - done.keys()]
    assert not any(step.is_state_loss for step in spared), f"the plan said lost what was not: {spared}"
