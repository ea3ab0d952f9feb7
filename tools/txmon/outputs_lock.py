"""The lock file of the contracts: type and readers of every output, so that two commits can be compared.

Readers are found by name. A layer that reads a contract counts as a reader of an output if its Python files contain
the output's name, except as the keyword of an argument. A comment that contains the name counts, too. A reader is
missed only if it composes the name from parts.
"""

import re
from functools import cache
from pathlib import Path, PurePath

from pydantic import ValidationError

from shared.environments import PROJECTS
from shared.graph import APPLICATION_OUTPUTS, LAYERS
from tools.orchestrator.model.contract_schema import LOCK_FILE, ContractSchema, OutputSchema
from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon import layers

PATH = PurePath("shared/contracts/outputs.lock.json")
"""The lock file, relative to the repository."""

APPLICATIONS = "applications"
"""The readers outside of the repository."""

USE = re.compile(r"^\s*case .*|\w+\b(?!=[^=}])", re.MULTILINE)
"""A word that may name an output, but for the keyword of an argument; in a pattern of `match`, keywords may too."""


def lock_text() -> str:
    """Return the current text of the lock file.

    Raises:
        OrchestratorError: a contract is not written as `shared.contracts.contract.Contract` asks.
    """
    return LOCK_FILE.dump_json(schemas(), indent=2).decode() + "\n"


def schemas() -> dict[str, ContractSchema]:
    """Return the current contract of every layer.

    Raises:
        OrchestratorError: a contract is not written as `shared.contracts.contract.Contract` asks.
    """
    return {layer: _schema(layer) for layer in layers.contracts()}


def _schema(layer: str) -> ContractSchema:
    contract = layers.contracts()[layer]
    try:
        specs = contract.outputs()
    except TypeError as error:
        raise OrchestratorError(str(error)) from None
    outputs = {
        name: OutputSchema(type=spec.type_name, length=spec.length, readers=readers(layer, name))
        for name, spec in specs.items()
    }
    return ContractSchema(version=contract.version, outputs=outputs)


@cache
def _locked() -> dict[str, ContractSchema]:
    try:
        return LOCK_FILE.validate_json((layers.ROOT / PATH).read_bytes())
    except ValidationError:
        raise OrchestratorError(f"{PATH} is damaged: ./inv docs generates it") from None


def locked_readers(layer: str) -> dict[str, tuple[str, ...]]:
    """Return who reads each output of a layer, as the lock file says, without an import of the SDK.

    A layer that is newer than the lock file has no readers.

    Raises:
        OrchestratorError: the lock file is damaged.
    """
    contract = _locked().get(layer, ContractSchema())
    return {name: schema.readers for name, schema in contract.outputs.items()}


def readers(layer: str, output: str, projects: Path = PROJECTS) -> tuple[str, ...]:
    """Return who reads an output: layers in the order of the graph, then "applications".

    The contract may no longer have the output. A layer reads a contract if `shared.graph` says so or one of its files
    names the contract's class. No layer reads the outputs that every layer has.
    """
    from shared.contracts.contract import COMMON  # noqa: PLC0415 (imports every contract, as `layers.contracts` does)

    contract = layers.contracts().get(layer)
    found = []
    for reader, info in LAYERS.items():
        names = used_names(projects / reader)
        reads_contract = layer in info.reads or (contract is not None and contract.__name__ in names)
        if reader != layer and reads_contract and output in names - COMMON.keys():
            found.append(reader)
    return (*found, *([APPLICATIONS] if APPLICATION_OUTPUTS.get(output) == layer else []))


@cache
def used_names(folder: Path) -> frozenset[str]:
    """Return every word in the Python files of a folder that may name an output or a contract."""
    uses = (use for source in folder.rglob("*.py") for use in USE.findall(source.read_text("utf-8")))
    return frozenset(word for use in uses for word in re.findall(r"\w+", use))
