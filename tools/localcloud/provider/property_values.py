"""Converts property values from and to the engine's wire format.

The signatures and the texts for unknown values are part of Pulumi's protocol. Its Python SDK has them under private
names only, in `pulumi.runtime.rpc`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import struct_pb2

from tools.localcloud.schema.values import SIGNATURE, UNKNOWN, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.localcloud.schema.values import Props

SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark, not a secret
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWNS: Final = frozenset(
    {
        UNKNOWN_TEXT,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


def load(struct: struct_pb2.Struct) -> tuple[Props, frozenset[str]]:
    """Return the plain values, and the names of the properties that have a secret anywhere inside."""
    raw = {name: _load(value) for name, value in struct.fields.items()}
    return (
        {name: _plain(value) for name, value in raw.items()},
        frozenset(name for name, value in raw.items() if _has_secret(value)),
    )


def dump(values: Mapping[str, Any], secrets: frozenset[str] = frozenset()) -> struct_pb2.Struct:
    """Return values for the engine, those named in `secrets` marked. A value of None is left out."""
    struct = struct_pb2.Struct()
    for name, value in values.items():
        if value is None:
            continue
        marked = {SIGNATURE: SECRET, "value": value} if name in secrets else value
        _fill(struct.fields[name], marked)
    return struct


def decoded(value: object) -> object:
    """Return a nested setting of the provider, which the engine sends as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _load(value: struct_pb2.Value) -> object:
    match value.WhichOneof("kind"):
        case "struct_value":
            return {name: _load(item) for name, item in value.struct_value.fields.items()}
        case "list_value":
            return [_load(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return UNKNOWN if value in UNKNOWNS else value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        match value.get(SIGNATURE):
            case signature if signature in (SECRET, OUTPUT):
                return _plain(value["value"]) if "value" in value else UNKNOWN
            case signature if signature == RESOURCE:
                return _plain(value.get("id", value.get("urn")))
        return {name: _plain(item) for name, item in value.items()}
    return value


def _has_secret(value: object) -> bool:
    if isinstance(value, dict):
        signature = value.get(SIGNATURE)
        if signature == SECRET or (signature == OUTPUT and value.get("secret")):
            return True
        return any(_has_secret(item) for item in value.values())
    return isinstance(value, list) and any(_has_secret(item) for item in value)


def _fill(target: struct_pb2.Value, value: object) -> None:
    match value:
        case Unknown():
            target.string_value = UNKNOWN_TEXT
        case None:
            target.null_value = struct_pb2.NULL_VALUE
        case bool():
            target.bool_value = value
        case int() | float():
            target.number_value = value
        case str():
            target.string_value = value
        case list() | tuple():
            target.list_value.SetInParent()
            for item in value:
                _fill(target.list_value.values.add(), item)
        case dict():
            target.struct_value.SetInParent()
            for name, item in value.items():
                _fill(target.struct_value.fields[name], item)
        case _:
            raise TypeError(f"{type(value).__name__} is not a type of Pulumi's values")
