"""How a resource type is described: a `Spec` is data and a few calls, `operation.py` runs it.

Names follow a rule: Pulumi's `kmsKeyId` is AWS's `KmsKeyId`; `names` lists the exceptions. A path such as
`Endpoint.Port` or `SecurityGroups.*.GroupId` leads into an answer of AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tools.localcloud.schema.lifecycle import Operation
    from tools.localcloud.schema.validators import Check

PENDING: Final = "__pending"  # in state: what a create or update that failed half-way still has to set
DEFAULTS: Final = "__defaults"  # in inputs: what the program did not give, as Pulumi's bridge has it
MANAGED: Final = {"description": "Managed by Pulumi"}  # the bridge's default description

Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]


@cache
def words(text: str) -> frozenset[str]:
    return frozenset(word.removesuffix("!") for word in text.split())


def pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


@dataclass(frozen=True)
class Setter:
    """A call of its own for some inputs: after a change, and after the create unless `create` is off."""

    keys: str
    run: Callable[[Operation], object]
    create: bool = True


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """How a service lists, adds and removes tags."""

    target: str  # the argument that names the resource
    add: str
    remove: str
    read: str = ""  # the call that lists them; empty: they are in the resource's own description
    found: str = "Tags"  # where the answer has them
    tags: str = "Tags"
    keys: str = "TagKeys"
    pair: tuple[str, str] | None = ("Key", "Value")  # None: the service takes a map
    many: bool = False  # `target` takes a list
    of: Callable[[Operation], str] | None = None  # what it calls the resource; None: its ARN


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One resource type. Each input is in one of `fixed`, `mutable`, `local`, `write_only`; `!`: required."""

    kind: str
    client: str
    create: Callable[[Operation], str]  # answers the id
    read: Callable[[Operation], Mapping[str, Any] | None]
    delete: Callable[[Operation], object]
    fixed: str = ""  # a change replaces the resource
    mutable: str = ""  # a change is made in place
    replaced_when: Mapping[str, Callable[[Any, Any], bool]] = field(default_factory=dict)  # unless it is such a one
    local: str = ""  # for Pulumi alone, never an attribute in AWS: kept from the inputs
    write_only: str = ""  # handed to AWS, never stored
    outputs: str = ""  # what else is computed
    computed: str = ""  # inputs that AWS chooses when they are not given
    ceded: str = ""  # computed, but another resource may own it: read back only when this one sets it
    defaults: Mapping[str, Any] = field(default_factory=dict)
    unordered: str = ""
    documents: str = ""  # JSON text, compared by what it says
    secret: str = ""
    maps: str = "tags"  # keys are data, not names
    names: Mapping[str, str] = field(default_factory=dict)
    case: Callable[[str], str] = pascal  # how AWS writes the other names
    seen: Mapping[str, str] = field(default_factory=dict)  # the path in the answer, where it differs
    codecs: Mapping[str, Codec] = field(default_factory=dict)
    canonical: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)  # what a comparison sees
    follows: Mapping[str, str] = field(default_factory=dict)  # output: the input whose change makes it unknown
    name: str = ""  # the input that is auto-named
    limit: int = 255  # of an automatic name's characters
    separator: str = "-"
    lower: bool = False
    starts: str = ""  # what an automatic name must start with
    unique: bool = False  # has no name of its own: a replacement waits until the old one is gone
    regional: bool = True
    lost: Mapping[str, str] = field(default_factory=dict)  # what the emulator loses, and why: kept from the inputs
    missing: str = ""  # why the whole type is kept: the emulator does not have it
    checks: tuple[Check, ...] = ()
    setters: tuple[Setter, ...] = ()
    tagging: Tagging | None = None

    @cached_property
    def inputs(self) -> frozenset[str]:
        region = {"region"} if self.regional else set()
        return words(f"{self.fixed} {self.mutable} {self.local} {self.write_only}") | region

    @cached_property
    def required(self) -> frozenset[str]:
        every = f"{self.fixed} {self.mutable} {self.local} {self.write_only}".split()
        return frozenset(word.removesuffix("!") for word in every if word.endswith("!"))

    @cached_property
    def replacing(self) -> frozenset[str]:
        return words(self.fixed) | ({"region"} if self.regional else frozenset())

    def replaces(self, key: str, old: Any, new: Any) -> bool:
        return key in self.replacing or (key in self.replaced_when and self.replaced_when[key](old, new))

    @cached_property
    def known(self) -> frozenset[str]:
        """Every property of the type in state."""
        tags = {"tagsAll"} if "tags" in self.inputs else set()
        return (self.inputs - words(self.write_only)) | words(self.outputs) | tags

    @cached_property
    def kept(self) -> frozenset[str]:
        """What is never read back."""
        if self.missing:
            return self.known
        return words(f"{self.local} {' '.join(self.lost)}") & self.known

    @cached_property
    def read_back(self) -> frozenset[str]:
        return self.known - self.kept - {"tags", "tagsAll", "region"} - self.prefixes

    @cached_property
    def prefixes(self) -> frozenset[str]:
        return frozenset({f"{self.name}Prefix"}) & self.inputs

    @cached_property
    def on_create(self) -> frozenset[str]:
        """What the create call itself takes."""
        later = words(" ".join(setter.keys for setter in self.setters if setter.create))
        return words(f"{self.fixed} {self.mutable}") - later - {"tags", "region"} - self.prefixes

    def aws(self, key: str) -> str:
        """AWS's name for it."""
        return self.names.get(key) or self.case(key)

    def open(self, key: str) -> bool:
        """Whether AWS may choose the value when the program does not."""
        return key in words(f"{self.computed} {self.ceded} {self.name} region")


# Services whose attributes are texts: numbers and switches on their way there and back.
NUMBER: Final[Codec] = (str, int)
FLAG: Final[Codec] = (lambda value: str(bool(value)).lower(), lambda text: text == "true")
