"""Compares contracts with earlier ones, and finds the changes that break their readers.

An output may be removed or renamed only if no layer reads it, neither now nor in the earlier contracts. That takes
two changes: in the first the readers stop reading it, in the second it is removed. A change that a reader could
notice (a removed output, another type, another length of a list) has to raise the contract's `version`, because
readers outside of this repository are unknown here, but check the version. A new output needs neither.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.contract_schema import LOCK_FILE, Contracts, ContractSchema, OutputSchema
from tools.orchestrator.model.document import first_fault, parse
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.repository import git
from tools.orchestrator.state.checkpoints import nothing_deployed, read_snapshot

Readers = Callable[[str, str], Iterable[str]]
"""Returns who reads an output now, from its layer and name. The contracts may no longer have it."""

VERSION = "contract_version"
"""The output with the version of the contract. Only stacks with a contract have it."""

ABSENT = ContractSchema()
"""The contract of a layer that does not exist."""


@dataclass(frozen=True)
class Change:
    """How an output has changed."""

    layer: str
    output: str
    what: str
    readers: tuple[str, ...] = ()
    fault: str = ""
    """Why the change breaks readers, and what to do about it; empty if it does not."""


def against_commit(root: Path, new: Contracts, readers: Readers, lock_file: PurePath, ref: str) -> list[Change]:
    """Return how the contracts have changed since this branch left `ref`, according to the lock file of that commit.

    Raises:
        OrchestratorError: git does not know `ref`, or the commit has no valid lock file.
    """
    branch_point = git.branch_point(root, ref)
    text = git.file_at(root, branch_point, lock_file)
    if text is None:
        raise OrchestratorError(
            f"commit {branch_point[:8]}, where this branch left {ref}, is older than {lock_file}: name a newer ref,"
            " or rebase onto one"
        )
    where = f"{lock_file} of {branch_point[:8]}"
    old = parse(LOCK_FILE, text, where=where, kind="a valid lock file", remedy="name another ref")
    return compare(old, new, readers)


def against_environment(new: Contracts, readers: Readers, workspace: Workspace) -> list[Change]:
    """Return how the contracts differ from the outputs that the layers have deployed.

    The readers of a deployed layer that no longer has a contract are the stacks that read it.

    Raises:
        OrchestratorError: nothing is deployed.
    """
    snapshot = read_snapshot(workspace, everywhere=True)
    # A name with a slash is a stack of another environment or product.
    deployed = {layer: stack.outputs for layer, stack in snapshot.deployed.items() if "/" not in layer}
    old = {
        layer: _deployed(workspace.env, layer, outputs, new.get(layer, ABSENT))
        for layer, outputs in deployed.items()
        if VERSION in outputs
    }
    if not old:
        raise nothing_deployed(workspace.env)
    stacks = {layer: f"{workspace.monorepo.project(layer)}/{workspace.env}" for layer in old.keys() - new.keys()}
    removed = {layer: snapshot.readers(stack) for layer, stack in stacks.items()}
    return compare(
        old,
        {layer: new[layer] for layer in old if layer in new},
        lambda layer, output: [*readers(layer, output), *sorted(removed.get(layer, ()))],
    )


def _deployed(env: str, layer: str, outputs: Mapping[str, Any], contract: ContractSchema) -> ContractSchema:
    """Return the contract that deployed outputs conform to; a list has a length if `contract` fixes one.

    Raises:
        OrchestratorError: the deployed version of the contract is not a number.
    """
    fixed = {name for name, schema in contract.outputs.items() if schema.length is not None}
    schemas = {
        name: OutputSchema(
            type=_type_name(value), length=len(value) if name in fixed and isinstance(value, list) else None
        )
        for name, value in outputs.items()
    }
    try:
        return ContractSchema(version=outputs[VERSION], outputs=schemas)
    except ValidationError as error:
        fault = first_fault(error)
        raise OrchestratorError(f"{layer}'s {VERSION}: {fault}; deploy it: ./inv up {layer} --env {env}") from None


def _type_name(value: Any) -> str:
    """Return the type of a value as a contract writes it; elements of an empty list or map count as strings."""
    if isinstance(value, list):
        return f"list[{_type_name(value[0]) if value else 'str'}]"
    if isinstance(value, dict):
        return f"dict[str, {_type_name(next(iter(value.values()), ''))}]"
    return type(value).__name__


def compare(old: Contracts, new: Contracts, readers: Readers) -> list[Change]:
    """Return the changes from the old contracts to the new ones; a removed layer loses all of its outputs."""
    layers = [*new, *(layer for layer in old if layer not in new)]
    return [
        change
        for layer in layers
        for change in _Comparison(layer, old.get(layer, ABSENT), new.get(layer, ABSENT), readers).changes()
    ]


@dataclass(frozen=True)
class _Comparison:
    """The contract of a layer before and after a change."""

    layer: str
    before: ContractSchema
    after: ContractSchema
    readers: Readers

    def changes(self) -> Iterator[Change]:
        added = {name: schema for name, schema in self.after.outputs.items() if name not in self.before.outputs}
        for output, schema in self.before.outputs.items():
            after = self.after.outputs.get(output)
            if after is None:
                alike = [name for name in added if added[name].same_type(schema)]
                renamed = difflib.get_close_matches(output, alike, n=1)
                yield self._removed(output, f"renamed to {renamed[0]}" if renamed else "removed")
            elif not after.same_type(schema):
                what = f"was {schema}, is {after}"
                yield Change(self.layer, output, what, self._readers(output), self._version_fault())
        for output, schema in added.items():
            yield Change(self.layer, output, f"new, {schema}")
        if self.after.version < self.before.version and self.after.outputs:
            what = f"was {self.before.version}, is {self.after.version}"
            yield Change(self.layer, VERSION, what, fault="a version never falls: " + self._version_fault())

    def _removed(self, output: str, what: str) -> Change:
        users = self._readers(output)
        if not users:
            return Change(self.layer, output, what, fault=self._version_fault())
        steps = "read it: let them stop first, deploy that, and remove it in a later change"
        return Change(self.layer, output, what, users, f"{', '.join(users)} {steps}")

    def _readers(self, output: str) -> tuple[str, ...]:
        """Return who reads an output now, then who did before."""
        return tuple(dict.fromkeys([*self.readers(self.layer, output), *self.before.outputs[output].readers]))

    def _version_fault(self) -> str:
        """Return what to do if the version was not raised; empty if it was, or if the whole contract was removed."""
        if self.after.version > self.before.version or not self.after.outputs:
            return ""
        return f"raise the version of the contract of {self.layer} to {self.before.version + 1}"
