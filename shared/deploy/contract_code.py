"""The contracts and who reads what of them, as their source code says it, of the work tree or of any commit.

Parsed, never run: a commit's programs may need other packages than those that are installed.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from shared.deploy.workspace import ROOT
from shared.errors import TxmonError
from shared.layers import deploy_order

FOLDERS = ("shared/contracts", "projects")
"""Where contracts are written and read."""

Programs = Mapping[str, str]
"""Path -> text of the Python files in `FOLDERS`."""


@dataclass(frozen=True)
class Kind:
    """The type of an output; of a list that readers loop over, its length too."""

    type: str
    length: int | None = None

    def __str__(self) -> str:
        return self.type if self.length is None else f"{self.type} of {self.length}"


@dataclass(frozen=True)
class Shape:
    """What a contract promises, but for the meaning."""

    version: int
    outputs: dict[str, Kind]


def work_tree() -> Programs:
    """The programs as they stand here, uncommitted changes included."""
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in files}


def shapes(programs: Programs) -> dict[str, Shape]:
    """Layer -> shape of its contract, in the order they deploy in; layers that are no more come last.

    Raises:
        TxmonError: a contract is not written as `shared.contracts.base.Contract` asks.
    """
    common: dict[str, Kind] = {}
    found: dict[str, Shape] = {}
    for path, tree in _parsed(programs, "shared/contracts"):
        try:
            common |= _common(tree)
            found |= {_constant(contract, "layer", ""): _shape(contract) for contract in _contracts(tree)}
        except ValueError:
            raise TxmonError(f"{path} holds a contract that cannot be read: see shared/contracts/base.py") from None
    order = [layer for layer in deploy_order() if layer in found]
    return {
        layer: Shape(found[layer].version, found[layer].outputs | common)
        for layer in (*order, *sorted(found.keys() - set(order)))
    }


def readers(programs: Programs) -> dict[tuple[str, str], list[str]]:
    """(layer, output) -> the layers whose programs use that output, also one that the contract has not, or no more.

    A use is `name.output`, where the name stands for the contract in that file: as an annotated argument or
    attribute, or by `Contract.read`. Annotations are everywhere, mypy sees to that; a name that stands for two things
    in one file may make a reader of one who is none, never the other way round.
    """
    layer_of = {
        contract.name: _constant(contract, "layer", "")
        for _, tree in _parsed(programs, "shared/contracts")
        for contract in _contracts(tree)
    }
    found = defaultdict(set)
    for path, tree in _parsed(programs, "projects"):
        bound = _bound(tree, layer_of)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                for layer in bound[_name(node.value)]:
                    found[layer, node.attr].add(PurePath(path).parts[1])
    order = deploy_order()
    return {use: sorted(reading, key=order.index) for use, reading in found.items()}


def _parsed(programs: Programs, folder: str) -> Iterator[tuple[str, ast.Module]]:
    for path, text in programs.items():
        if path.startswith(f"{folder}/"):
            try:
                yield path, ast.parse(text)
            except SyntaxError as error:
                raise TxmonError(f"{path} is no Python: {error.msg} in line {error.lineno}") from None


def _contracts(tree: ast.Module) -> Iterator[ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and "Contract" in map(_name, node.bases):
            yield node


def _constant(contract: ast.ClassDef, variable: str, default: Any) -> Any:
    """The value of a class variable of the contract."""
    for node in contract.body:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                | ast.Assign(targets=[ast.Name(id=name)], value=value)
            ) if name == variable:
                return ast.literal_eval(value)
    return default


def _shape(contract: ast.ClassDef) -> Shape:
    outputs = {}
    for node in contract.body:
        match node:
            case ast.AnnAssign(
                target=ast.Name(id=name),
                annotation=ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[output, means])),
            ):
                outputs[name] = _kind(output, means)
    return Shape(_constant(contract, "version", 1), outputs)


def _kind(output: ast.expr, means: ast.expr) -> Kind:
    """`str` for `Output[str]`, `list[str]` as long as the example for `list[Output[str]]`."""
    match output, means:
        case ast.Subscript(value=ast.Name(id="Output"), slice=plain), _:
            return Kind(ast.unparse(plain))
        case (
            ast.Subscript(value=ast.Name(id="list"), slice=ast.Subscript(slice=plain)),
            ast.Call(args=[_, ast.List(elts=example)]),
        ):
            return Kind(f"list[{ast.unparse(plain)}]", len(example))
    raise ValueError(ast.unparse(output))


def _common(tree: ast.Module) -> dict[str, Kind]:
    """The outputs of every layer, in `shared.contracts.base.COMMON`."""
    found = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="COMMON")], value=ast.Dict(keys=names, values=promises)):
                for name, promise in zip(names, promises, strict=True):
                    match name, promise:
                        case ast.Constant(value=str(output)), ast.Call(args=[plain, *_]):
                            found[output] = Kind(ast.unparse(plain))
    return found


def _bound(tree: ast.Module, layer_of: Mapping[str, str]) -> defaultdict[str, set[str]]:
    """Name -> the layers whose contract it stands for in a file."""
    bound: defaultdict[str, set[str]] = defaultdict(set)
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                bound[name] |= _layers_in(annotation, layer_of)
            case ast.AnnAssign(target=target, annotation=annotation):
                bound[_name(target)] |= _layers_in(annotation, layer_of)
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                for target, value in zip(targets, values, strict=False):
                    bound[_name(target)] |= _read(value, layer_of)
            case ast.Assign(targets=[target], value=value):
                bound[_name(target)] |= _read(value, layer_of)
    return bound


def _layers_in(annotation: ast.expr, layer_of: Mapping[str, str]) -> set[str]:
    return {layer_of[name] for node in ast.walk(annotation) if (name := _name(node)) in layer_of}


def _read(value: ast.expr, layer_of: Mapping[str, str]) -> set[str]:
    """The layer of `NetworkContract.read(…)`."""
    match value:
        case ast.Call(func=ast.Attribute(value=contract, attr="read")) if _name(contract) in layer_of:
            return {layer_of[_name(contract)]}
    return set()


def _name(node: ast.AST) -> str:
    """The last name of `a` or `a.b`; of anything else, none."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
