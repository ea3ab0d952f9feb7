"""Refuses what botocore's service models exclude: each AWS API's own enumerations, patterns, lengths and ranges."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.schema.spec import camel
from tools.localcloud.schema.validators import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import Shape

    from tools.localcloud.schema.spec import ResourceContext

NUMBERS: Final = frozenset({"integer", "long", "float", "double"})


def refusals(context: ResourceContext) -> Iterator[str]:
    """Yield, in AWS's words, why the requests of a resource type do not take its known inputs."""
    client, spec = context.client(context.spec.client), context.spec
    shapes = {key: _shape(client, request) for key, request in spec.shapes.items()}
    for request in spec.requests:
        container = _shape(client, request)
        for key in context.inputs.keys() & spec.inputs - shapes.keys() - spec.write_only - {"tags"}:
            if found := _member(container, spec.aws_name(key)):
                shapes[key] = found
    for key in sorted(shapes.keys() & context.inputs.keys()):
        value = next(iter(context.arguments(frozenset({key})).values()))
        yield from _violations(shapes[key], value, key)


def _shape(client: Any, request: str) -> Shape:
    """Return the shape of `put_targets`, or of one item of its member in `put_targets.Targets`."""
    call, _, member = request.partition(".")
    found: Shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[call]).input_shape
    found = _member(found, member) if member else found
    return found.member if found.type_name == "list" else found


def _member(shape: Shape, path: str) -> Any:
    for step in path.split("."):
        shape = getattr(shape, "members", {}).get(step)
    return shape


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    match value:
        case dict() if shape.type_name == "structure":
            yield from _structure_violations(shape, value, path)
        case list():
            item = shape
            if shape.type_name == "list":  # else the request takes the items one by one
                item = shape.member
                yield from (f"{path} {fault}" for fault in _bounds(shape, len(value), "length") if value)
            for number, each in enumerate(value):
                yield from _violations(item, each, f"{path}[{number}]")
        case str() if shape.type_name == "string":
            yield from (f"{path} {shown(value)} {fault}" for fault in _text_faults(shape, value))
        case int() | float() if shape.type_name in NUMBERS:
            yield from (f"{path} {value} {fault}" for fault in _bounds(shape, value, "value"))


def _structure_violations(shape: Shape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _violations(member, value[name], f"{path}.{camel(name)}")
        elif name in shape.required_members:
            yield f"{path}.{camel(name)} is required"


def _text_faults(shape: Shape, text: str) -> Iterator[str]:
    allowed, pattern = shape.metadata.get("enum"), shape.metadata.get("pattern")
    if allowed and text not in allowed:
        yield f"failed to satisfy constraint: Member must satisfy enum value set: [{', '.join(allowed)}]"
    if pattern and (compiled := _compiled(pattern)) and not compiled.fullmatch(text):
        yield f"failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
    yield from _bounds(shape, len(text), "length")


def _bounds(shape: Shape, size: float, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"failed to satisfy constraint: Member must have {what} greater than or equal to {least}"
    if most is not None and size > most:
        yield f"failed to satisfy constraint: Member must have {what} less than or equal to {most}"


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """Return AWS's pattern, which is one of Java; None if it has what Python lacks, as the class of all letters."""
    try:
        return re.compile(pattern, re.ASCII)
    except re.error:
        return None
