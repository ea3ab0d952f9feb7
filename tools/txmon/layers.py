"""The only module that imports modules of a layer by name at run time."""

import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from shared.environments import PROJECTS
from shared.graph import LAYERS
from tools.orchestrator.model.errors import OrchestratorError

if TYPE_CHECKING:
    from projects.network.groups import Access
    from shared.config import LayerConfig
    from shared.contracts import Contract
    from shared.contracts.output_spec import OutputSpec

ROOT = PROJECTS.parent

AWS_SERVICE = re.compile(r"\baws\.([a-z]\w*)\.")
"""A submodule of `pulumi_aws`, which loads itself when something in it is first used."""


def config_class(layer: str) -> "type[LayerConfig]":
    """Return the configuration class of a layer: the subclass of `LayerConfig` in its `config.py`."""
    from shared.config import LayerConfig  # noqa: PLC0415 (imports the SDK)

    module = importlib.import_module(f"projects.{layer}.config")
    [found] = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, LayerConfig) and member.__module__ == module.__name__
    ]
    return found


def access_matrix() -> "Sequence[Access]":
    """Return the allowed connections between security groups, from which their rules are made."""
    matrix: Sequence[Access] = importlib.import_module("projects.network.groups").MATRIX
    return matrix


def contracts() -> "dict[str, type[Contract]]":
    """Return the contract class of every layer.

    Raises:
        OrchestratorError: the file of a contract is not Python.
    """
    found: dict[str, type[Contract]] = import_source("shared.contracts").CONTRACTS
    return found


def contract_outputs(layer: str) -> "dict[str, OutputSpec]":
    """Return the outputs of a layer's contract, by name."""
    return contracts()[layer].outputs()


def import_source(module: str) -> ModuleType:
    """Import a module that somebody may be editing.

    Raises:
        OrchestratorError: it, or a module that it imports, is not Python.
    """
    try:
        return importlib.import_module(module)
    except SyntaxError as error:
        path = Path(error.filename or module)
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        raise OrchestratorError(f"{shown} is not Python: {error.msg} in line {error.lineno}") from None


def load_modules() -> None:
    """Import what the programs of all layers import; leave out what fails, since the program itself says why."""
    for module in (module for layer in LAYERS for module in _modules(PROJECTS / layer)):
        with suppress(Exception):
            getattr(importlib.import_module(module), "__all__", ())  # an attribute, to load a lazy module


def _modules(folder: Path) -> Iterator[str]:
    """Yield the modules that a layer's program imports; those of its functions, in `app/`, run elsewhere."""
    for source in sorted(path for path in folder.rglob("[!_]*.py") if "app" not in path.parts):
        yield ".".join(source.relative_to(ROOT).with_suffix("").parts)
        yield from sorted({f"pulumi_aws.{name}" for name in AWS_SERVICE.findall(source.read_text("utf-8"))})
