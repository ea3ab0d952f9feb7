"""The contract of a layer as the lock file records it: names, types and readers of its outputs."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, TypeAdapter


class OutputSchema(BaseModel):
    """The type of an output, and who reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    """As in `str` or `list[str]`."""
    length: int | None = None
    """The number of elements of a list of fixed length; None for every other output."""
    readers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.type if self.length is None else f"{self.type} of {self.length}"

    def same_type(self, other: "OutputSchema") -> bool:
        return (self.type, self.length) == (other.type, other.length)


class ContractSchema(BaseModel):
    """The contract of a layer; without outputs, that of a layer that does not exist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 0
    outputs: dict[str, OutputSchema] = {}


Contracts = Mapping[str, ContractSchema]
"""The contract of every layer."""

LOCK_FILE = TypeAdapter(dict[str, ContractSchema])
"""Reads and writes a lock file: layer -> contract."""
