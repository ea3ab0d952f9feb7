"""The contracts and who reads what of them, as their source code says it, of the work tree or of any commit.

Parsed, never run: a commit's programs may need other packages than those that are installed.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from shared.errors import TxmonError
from shared.graph import LAYERS, deploy_order
from tools.orchestrator.engine.workspace import ROOT

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
        TxmonError: a contract is not written as `shared.contracts.contract.Contract` asks.
    """
    common: dict[str, Kind] = {}
    found: dict[str, Shape] = {}
    for path, tree in _parsed(programs, "shared/contracts"):
        try:
            common |= _common(tree)
            found |= {_constant(contract, "layer", ""): _shape(contract) for contract in _contracts(tree)}
        except ValueError:
            raise TxmonError(
                f"{path} holds a contract that cannot be read: see shared/contracts/contract.py"
            ) from None
    return {layer: Shape(found[layer].version, found[layer].outputs | common) for layer in _in_order(found)}


def readers(*commits: Programs) -> dict[tuple[str, str], list[str]]:
    """(layer, word) -> the layers whose programs read that layer and hold that word, in any of these commits.

    A layer reads a contract if `shared.graph` says so or one of its files names the contract. How it holds what it
    read is not followed: each word of its files that could name an output counts as a use of it, an attribute of
    something else too. So a layer may count that is no reader, never the other way round (unless it puts a name
    together from parts). The outputs of every layer are no fields of a contract, so nobody reads them from one.
    """
    trees = [tree for programs in commits for _, tree in _parsed(programs, "shared/contracts")]
    layer_of = {contract.name: _constant(contract, "layer", "") for tree in trees for contract in _contracts(tree)}
    common = {output for tree in trees for output in _common(tree)}
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for programs in commits:
        for reader, words in _words_by_layer(programs).items():
            declared = LAYERS[reader].reads if reader in LAYERS else ()
            for contract, layer in layer_of.items():
                if layer != reader and (contract in words or layer in declared):
                    for word in words - common:
                        found[layer, word].add(reader)
    order = _in_order(set().union(*found.values()))
    return {use: [layer for layer in order if layer in reading] for use, reading in found.items()}


def _words_by_layer(programs: Programs) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in _parsed(programs, "projects"):
        found[PurePath(path).parts[1]] |= set(_words(tree))
    return found


def _words(tree: ast.Module) -> Iterator[str]:
    """The words that can name a contract or an output: names, attributes, imports, patterns, and all in strings."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name
            case ast.MatchClass(kwd_attrs=names):
                yield from names
            case ast.Constant(value=str(text)):
                yield from re.findall(r"\w+", text)


def _in_order(layers: Iterable[str]) -> list[str]:
    """The layers in the order they deploy in; those that are no more come last."""
    order, given = deploy_order(), set(layers)
    return [layer for layer in order if layer in given] + sorted(given.difference(order))


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
    """The outputs of every layer, in `shared.contracts.contract.COMMON`."""
    found = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="COMMON")], value=ast.Dict(keys=names, values=promises)):
                for name, promise in zip(names, promises, strict=True):
                    match name, promise:
                        case ast.Constant(value=str(output)), ast.Call(args=[plain, *_]):
                            found[output] = Kind(ast.unparse(plain))
    return found


def _name(node: ast.AST) -> str:
    """The last name of `a` or `a.b`; of anything else, none."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
