"""What a change does to the contracts, and whether those who read them can live with it.

The rule: an output that goes (is removed or renamed) must have no reader left in this repository, neither now nor at
the commit that is compared with, so it goes in a second change, after the one in which its readers stop reading it.
Any change that a reader could notice (an output that goes, has another type, or is a list of another length) raises
the contract's `version`: readers outside of this repository are not seen here, but the version they know is checked
when they read. New outputs change nothing for anybody.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from shared.graph import APPLICATION_OUTPUTS
from tools.orchestrator.contracts.snapshot import FOLDERS, Kind, Shape, readers, shapes, work_tree
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.repository import git
from tools.orchestrator.run import preconditions
from tools.orchestrator.state.stacks import deployed_states, nothing_deployed

Readers = Mapping[tuple[str, str], Iterable[str]]
"""(layer, output) -> who reads it."""

VERSION = "contract_version"
"""The output that every layer has and no other stack."""

NOTHING = Shape(0, {})
"""What a layer that is not there promises."""


@dataclass(frozen=True)
class Change:
    """What became of one output."""

    layer: str
    output: str
    what: str
    readers: tuple[str, ...] = ()
    fault: str = ""
    """Why readers cannot live with it and what mends that; empty if they can."""


def against_commit(ref: str) -> list[Change]:
    """The changes of this work tree's contracts since it left `ref`.

    Raises:
        TxmonError: git does not know `ref`, or a contract cannot be read.
    """
    before, now = git.programs_at(git.branch_point(ref), *FOLDERS), work_tree()
    return compare(shapes(before), shapes(now), _together(readers(before, now), _applications()))


def against_environment(workspace: Workspace) -> list[Change]:
    """The changes of this work tree's contracts against the outputs of the layers that are deployed.

    Of a layer that is deployed and no more in the work tree every output goes; its readers are the stacks that have
    read it.

    Raises:
        TxmonError: nothing is deployed.
    """
    states = deployed_states(workspace, everywhere=True)
    now = work_tree()
    new = shapes(now)
    old = {
        layer: _deployed(state.outputs, new.get(layer, NOTHING))
        for layer, state in states.items()
        if "/" not in layer and VERSION in state.outputs  # else it is another environment's, or not of this product
    }
    if not old:
        raise nothing_deployed(workspace)
    read_by = preconditions.readers(workspace, states, old.keys() - new.keys())
    gone = {(layer, output): sorted(names) for layer, names in read_by.items() for output in old[layer].outputs}
    kept = {layer: new[layer] for layer in old if layer in new}
    return compare(old, kept, _together(readers(now), _applications(), gone))


def _applications() -> Readers:
    return {(layer, output): ["applications"] for output, layer in APPLICATION_OUTPUTS.items()}


def _together(*many: Readers) -> Readers:
    uses = {use for some in many for use in some}
    return {use: list(dict.fromkeys(name for some in many for name in some.get(use, ()))) for use in uses}


def _deployed(outputs: Mapping[str, Any], promised: Shape) -> Shape:
    """The shape of deployed outputs; a list's length counts where the contract fixes it."""
    lists = {name for name, kind in promised.outputs.items() if kind.length is not None}
    kinds = {
        name: Kind(_type(value), len(value) if name in lists and isinstance(value, list) else None)
        for name, value in outputs.items()
    }
    return Shape(outputs.get(VERSION, 1), kinds)


def _type(value: Any) -> str:
    """The type of a value as a contract writes it; an empty list or map counts as one of strings, as all are."""
    if isinstance(value, list):
        return f"list[{_type(value[0]) if value else 'str'}]"
    if isinstance(value, dict):
        return f"dict[str, {_type(next(iter(value.values()), ''))}]"
    return type(value).__name__


def compare(old: Mapping[str, Shape], new: Mapping[str, Shape], read_by: Readers) -> list[Change]:
    """What changed from the old contracts to the new ones; a layer that is no more keeps no promise."""
    layers = [*new, *(layer for layer in old if layer not in new)]
    return [
        change
        for layer in layers
        for change in _Comparison(layer, old.get(layer, NOTHING), new.get(layer, NOTHING), read_by).changes()
    ]


@dataclass(frozen=True)
class _Comparison:
    """A layer's contract before and after."""

    layer: str
    before: Shape
    after: Shape
    read_by: Readers

    def changes(self) -> Iterator[Change]:
        added = {name: kind for name, kind in self.after.outputs.items() if name not in self.before.outputs}
        for output, kind in self.before.outputs.items():
            if output not in self.after.outputs:
                alike = [name for name in added if added[name] == kind]
                renamed = difflib.get_close_matches(output, alike, n=1)
                yield self._gone(output, f"renamed to {renamed[0]}" if renamed else "removed")
            elif self.after.outputs[output] != kind:
                what = f"was {kind}, is {self.after.outputs[output]}"
                yield Change(self.layer, output, what, self._readers(output), self._version_fault())
        for output, kind in added.items():
            yield Change(self.layer, output, f"new, {kind}")
        if self.after.version < self.before.version and self.after.outputs:
            what = f"was {self.before.version}, is {self.after.version}"
            yield Change(self.layer, VERSION, what, fault="a version never falls: " + self._version_fault())

    def _gone(self, output: str, what: str) -> Change:
        users = self._readers(output)
        if not users:
            return Change(self.layer, output, what, fault=self._version_fault())
        let = "read it: let them stop first, deploy that, and drop it in a change of its own"
        return Change(self.layer, output, what, users, f"{', '.join(users)} {let}")

    def _readers(self, output: str) -> tuple[str, ...]:
        return tuple(self.read_by.get((self.layer, output), ()))

    def _version_fault(self) -> str:
        """What mends that the version was not raised; nothing if it was, or if the whole contract is gone."""
        if self.after.version > self.before.version or not self.after.outputs:
            return ""
        return f"raise the version in shared/contracts/{self.layer}.py to {self.before.version + 1}"


def outputs_table() -> Table:
    """Every output of every layer with its type and its readers."""
    programs = work_tree()
    read_by = _together(readers(programs), _applications())
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "version", "output", "type", "read by"):
        table.add_column(heading, overflow="fold")
    for layer, shape in shapes(programs).items():
        for output, kind in shape.outputs.items():
            table.add_row(layer, str(shape.version), output, str(kind), ", ".join(read_by.get((layer, output), ())))
    return table


def changes_table(found: list[Change]) -> Table | str:
    """A row a change; what readers cannot live with first."""
    if not found:
        return "the contracts promise the same"
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "output", "change", "read by", "to mend"):
        table.add_column(heading, overflow="fold")
    for change in sorted(found, key=lambda each: not each.fault):
        style = "bold red" if change.fault else ""
        row = (change.layer, change.output, change.what, ", ".join(change.readers), change.fault)
        table.add_row(*row, style=style)
    return table
