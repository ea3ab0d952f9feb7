"""Reads requests and writes answers in AWS's protocols, by botocore's models of the services.

botocore writes requests and reads answers; this is the other half, which only a server needs. Forms and their XML are
defined in https://smithy.io/2.0/aws/protocols/aws-query-protocol.html and aws-ec2-query-protocol.html.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

import cbor2
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from botocore.model import OperationModel, Shape

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/x-amz-json-1.1"
CBOR: Final = "application/cbor"
REST: Final = frozenset({"backup", "lambda"})
"""The services whose operations are methods and paths."""
READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": "true".__eq__,
}
"""Type of a shape -> what makes its value of a form's text."""


def wire(
    service: str, address: tuple[str, str], headers: Mapping[str, str], body: bytes, completed: Collection[str]
) -> Wire | None:
    """Return how a request to a method and path is written; None if MiniStack is to answer it alone.

    MiniStack answers all of CloudWatch in JSON, but not in the other protocols.
    """
    if service in REST:
        return next(filter(None, (Rest.of(service, each, address) for each in completed)), None)
    content_type = headers.get("content-type", "")
    everything = service == "monitoring"
    if content_type.startswith(FORM):
        operation = re.search(rb"(?:^|&)Action=(\w+)", body)
        name = operation[1].decode() if operation else ""
        if everything and name:
            return Form("cloudwatch", name)
        return WholeForm(service, name) if name in completed else None
    if everything and content_type == CBOR:
        return Cbor(address[1].rpartition("/")[2])
    name = headers.get("x-amz-target", "").rpartition(".")[2]
    return Wire(name) if name in completed else None


class Wire:
    """How one operation's request and answer are written, to the client and to MiniStack: here both in JSON."""

    content_type = JSON
    address = ("POST", "/")
    """The method and the path of a request to MiniStack."""

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def request(self, body: bytes) -> dict[str, Any]:
        """Return a client's request."""
        return json.loads(body) if body else {}

    def forward(self, request: Mapping[str, Any]) -> tuple[str, bytes]:
        """Return the content type and the body of a request to MiniStack."""
        return JSON, json.dumps(request, default=datetime.timestamp).encode()

    def answer(self, body: bytes) -> dict[str, Any]:
        """Return MiniStack's answer."""
        return json.loads(body) if body else {}

    def reply(self, answer: Mapping[str, Any]) -> bytes:
        """Return the body of the answer to the client."""
        return json.dumps(answer).encode()

    def error(self, code: str, message: str) -> bytes:
        """Return the body of a refusal to the client."""
        return json.dumps({"__type": code, "message": message}).encode()


class Rest(Wire):
    """A method, a path with some of the arguments, and JSON with the others."""

    def __init__(self, operation: str, address: tuple[str, str], given: dict[str, str]) -> None:
        super().__init__(operation)
        self.address = address
        self.given = given

    @classmethod
    def of(cls, service: str, operation: str, address: tuple[str, str]) -> Rest | None:
        """Return the wire of a request if it is one to an operation."""
        http = _model(service).operation_model(operation).http
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(http["requestUri"]))
        found = re.fullmatch(pattern, address[1]) if address[0] == http["method"] else None
        return cls(operation, address, found.groupdict()) if found else None

    def request(self, body: bytes) -> dict[str, Any]:
        return super().request(body) | self.given


class Cbor(Wire):
    """CBOR to the client, as newer SDKs have with CloudWatch, and JSON to MiniStack."""

    content_type = CBOR

    def request(self, body: bytes) -> dict[str, Any]:
        return cbor2.loads(body) if body else {}

    def reply(self, answer: Mapping[str, Any]) -> bytes:
        shape = _model("cloudwatch").operation_model(self.operation).output_shape
        return cbor2.dumps(_typed(shape, answer) if shape else {}, datetime_as_timestamp=True)

    def error(self, code: str, message: str) -> bytes:
        return cbor2.dumps({"__type": code, "message": message})


class Form(Wire):
    """A form from the client, answered in XML, and JSON to MiniStack."""

    content_type = "text/xml"

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(operation)
        self.model: OperationModel = _model(service).operation_model(operation)
        self.protocol = "ec2" if service == "ec2" else "query"

    def request(self, body: bytes) -> dict[str, Any]:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        parts = [name.split(".") for name in form]
        known = {".".join(each[:end]) for each in parts for end in range(len(each) + 1)}
        return self._read(self.model.input_shape, form, known, "") or {}

    def reply(self, answer: Mapping[str, Any]) -> bytes:
        root = ET.Element(f"{self.operation}Response")
        shape = self.model.output_shape
        if shape:
            wrapper = shape.serialization.get("resultWrapper")
            _write_members(ET.SubElement(root, wrapper) if wrapper else root, shape, answer)
        return ET.tostring(root)

    def error(self, code: str, message: str) -> bytes:
        ec2 = self.protocol == "ec2"
        root = ET.Element("Response" if ec2 else "ErrorResponse")
        error = ET.SubElement(ET.SubElement(root, "Errors") if ec2 else root, "Error")
        for name, text in (("Code", code), ("Message", message)):
            ET.SubElement(error, name).text = text
        return ET.tostring(root)

    def _read(self, shape: Shape, form: Mapping[str, str], known: set[str], prefix: str) -> Any:
        """Return the value that a form has under a prefix; None if it has none."""
        if prefix not in known:
            return None
        if shape.type_name == "structure":
            below = {name: ".".join(filter(None, (prefix, self._name(s, name)))) for name, s in shape.members.items()}
            values = {name: self._read(shape.members[name], form, known, each) for name, each in below.items()}
            return {name: value for name, value in values.items() if value is not None}
        if shape.type_name == "list":
            prefix, found = self._items(shape, prefix), list[Any]()
            while (item := self._read(shape.member, form, known, f"{prefix}.{len(found) + 1}")) is not None:
                found.append(item)
            return found
        if shape.type_name == "timestamp":
            return datetime.fromisoformat(form[prefix])
        return READ.get(shape.type_name, str)(form[prefix])

    def _name(self, shape: Shape, name: str) -> str:
        """Return a member's name in a form."""
        given: str = shape.serialization.get("name", name)
        if self.protocol == "ec2":
            return str(shape.serialization.get("queryName") or given[0].upper() + given[1:])
        return given

    def _items(self, shape: Shape, prefix: str) -> str:
        """Return the prefix of a list's items, which are numbered from 1."""
        if self.protocol == "ec2" or shape.serialization.get("flattened"):
            return prefix
        return f"{prefix}.{shape.member.serialization.get('name', 'member')}"


class WholeForm(Form):
    """A form from the client and to MiniStack, answered in XML."""

    def forward(self, request: Mapping[str, Any]) -> tuple[str, bytes]:
        serializer = create_serializer(self.protocol, include_validation=False)
        return FORM, urlencode(serializer.serialize_to_request(request, self.model)["body"]).encode()

    def answer(self, body: bytes) -> dict[str, Any]:
        whole = {"headers": {}, "status_code": 200, "body": body}
        found: dict[str, Any] = create_parser(self.protocol).parse(whole, self.model.output_shape)
        return {key: value for key, value in found.items() if key != "ResponseMetadata"}


@cache
def _model(service: str) -> ServiceModel:
    """Return botocore's model of a service: `rds`."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def _write_members(parent: ET.Element, shape: Shape, value: Mapping[str, Any]) -> None:
    for name, member in shape.members.items():
        if value.get(name) is not None:
            _write(parent, member.serialization.get("name", name), member, value[name])


def _write(parent: ET.Element, tag: str, shape: Shape, value: Any) -> None:
    node = ET.SubElement(parent, tag)
    if shape.type_name == "structure":
        _write_members(node, shape, value)
    elif shape.type_name == "list":
        for item in value:
            _write(node, shape.member.serialization.get("name", "member"), shape.member, item)
    elif shape.type_name == "boolean":
        node.text = str(value).lower()
    elif shape.type_name == "timestamp":
        node.text = _time(value).isoformat().replace("+00:00", "Z")
    else:
        node.text = str(value)


def _typed(shape: Shape, value: Any) -> Any:
    """Return a value with times in place of the numbers that JSON has for them, and without what is None."""
    if shape.type_name == "structure":
        given = {name: member for name, member in shape.members.items() if value.get(name) is not None}
        return {name: _typed(member, value[name]) for name, member in given.items()}
    if shape.type_name == "list":
        return [_typed(shape.member, item) for item in value]
    if shape.type_name == "timestamp":
        return _time(value)
    return float(value) if shape.type_name == "double" else value


def _time(value: float | str | datetime) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
