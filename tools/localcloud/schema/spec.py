"""Describes resource types as tables (`Spec`), and gives the few calls of a table what they work with.

Names follow a rule: Pulumi's `kmsKeyId` is AWS's `KmsKeyId`; `names` lists the exceptions. A path such as
`Endpoint.Port` or `SecurityGroups.*.GroupId` leads into a response of AWS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from pathlib import Path

    from tools.localcloud.schema.validators import Validator
    from tools.localcloud.schema.values import Props

PENDING: Final = "__pending"
"""In state: the inputs that a create or update which failed half-way still has to set."""
DEFAULTS: Final = "__defaults"
"""In inputs: the names of those that the provider filled in. Pulumi's bridge uses the same key."""
DEFAULT_DESCRIPTION: Final = {"description": "Managed by Pulumi"}
"""What Pulumi's bridge sends if a program gives no description."""

Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""Converts a value to AWS's form, and back."""
NUMBER: Final[Codec] = (str, int)
"""For a number that AWS has as text."""
FLAG: Final[Codec] = (lambda value: str(bool(value)).lower(), lambda text: text == "true")
"""For a boolean that AWS has as text."""


def keys(text: str) -> frozenset[str]:
    """Return the names in a text: `keys("arn name")`."""
    return frozenset(text.split())


def pascal(name: str) -> str:
    """Return `KmsKeyId` for `kmsKeyId`."""
    return name[:1].upper() + name[1:]


def camel(name: str) -> str:
    """Return `kmsKeyId` for `KmsKeyId`."""
    return name[:1].lower() + name[1:]


@dataclass(frozen=True)
class Setter:
    """A call of its own for some inputs: after each change of one of them, and after the create."""

    keys: frozenset[str]
    run: Callable[[ResourceContext], object]
    create: bool = True
    """Whether it runs after the create; False if the create call takes these inputs."""


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """How a service lists, adds and removes tags."""

    target: str
    """The argument that names the resource: `ResourceArn`."""
    add: str
    """`tag_resource`"""
    remove: str
    """`untag_resource`"""
    read: str = ""
    """The call that lists the tags, `list_tags_for_resource`; empty if the description of the resource has them."""
    response_path: str = "Tags"
    """The key of the tags in that response: `TagList` for RDS."""
    tags: str = "Tags"
    """The argument of `add` with the tags: `tags` for CloudWatch Logs."""
    tag_keys: str = "TagKeys"
    """The argument of `remove` with the keys; `Tags` (EC2) takes `{"Key": key}` instead of the key."""
    pair: tuple[str, str] | None = ("Key", "Value")
    """The keys of one tag, `("TagKey", "TagValue")` for KMS; None if the service takes a map."""
    many: bool = False
    """Whether `target` takes a list of resources, as EC2's `Resources` does."""
    of: Callable[[ResourceContext], str] = lambda context: context.id
    """The value of `target`: the id, or `arn_of`."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A resource type. Each input is in one of `force_new`, `updatable`, `state_only` and `write_only`."""

    kind: str
    """Pulumi's type: `aws:kms/key:Key`."""
    client: str
    """boto3's name of the service: `kms`."""
    create: Callable[[ResourceContext], str]
    """Creates it and returns the id: `lambda ctx: ctx.create("create_vpc", "Vpc.VpcId")`."""
    read: Callable[[ResourceContext], Mapping[str, Any] | None]
    """Returns AWS's description, or None if it does not exist: `lambda ctx: ctx.call("get_role", …)["Role"]`."""
    delete: Callable[[ResourceContext], object]
    """Deletes it: `lambda ctx: ctx.call("delete_vpc", VpcId=ctx.id)`."""

    # Its properties.
    force_new: frozenset[str] = frozenset()
    """Inputs whose change replaces the resource: a subnet's `cidrBlock`."""
    updatable: frozenset[str] = frozenset()
    """Inputs that are changed in place: a log group's `retentionInDays`."""
    state_only: frozenset[str] = frozenset()
    """Inputs for the provider itself, which AWS does not have: a key's `deletionWindowInDays`."""
    write_only: frozenset[str] = frozenset()
    """Inputs that AWS gets and no state keeps: an instance's `passwordWo`."""
    outputs: frozenset[str] = frozenset()
    """Properties that are no inputs: `arn`."""
    required: frozenset[str] = frozenset()
    """Inputs that a program has to give: a stream's `shardCount`."""
    computed: frozenset[str] = frozenset()
    """Inputs that AWS chooses if the program does not: an instance's `engineVersion`."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The other inputs that are not given: `{"retentionPeriod": 24}`."""
    default_with: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    """Computed inputs that go back to a value if they are removed while another input stays:
    `{"filterPolicyScope": ("filterPolicy", "MessageAttributes")}`."""
    force_new_if: Mapping[str, Callable[[Any, Any], bool]] = field(default_factory=dict)
    """Updatable inputs of which some changes replace the resource: an older `engineVersion` of Redis."""
    unknown_when_changed: Mapping[str, str] = field(default_factory=dict)
    """Output -> the input whose change makes it unknown in a preview: `{"targetKeyArn": "targetKeyId"}`."""
    secret: frozenset[str] = frozenset()
    """Properties that are secret even if the program does not say so: `secretString`."""

    # How two values are compared.
    unordered: frozenset[str] = frozenset()
    """Lists whose order means nothing: `subnetIds`."""
    documents: frozenset[str] = frozenset()
    """JSON texts, which are compared by what they say: `policy`."""
    canonical: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """Input -> a function whose results are compared: `{"limitAmount": float}`."""
    answered_otherwise: frozenset[str] = frozenset()
    """Inputs that are compared with the last inputs, since the local cloud may have another value: `port`."""

    # How AWS writes them.
    names: Mapping[str, str] = field(default_factory=dict)
    """AWS's name if it does not follow the rule: `{"multiAz": "MultiAZ"}`."""
    case: Callable[[str], str] = pascal
    """The rule for the other names; `str` for CloudWatch Logs, which writes `kmsKeyId`."""
    response_path: Mapping[str, str] = field(default_factory=dict)
    """Where the response has it, if not under its name: `{"port": "Endpoint.Port"}`."""
    maps: frozenset[str] = keys("tags")
    """Properties whose keys are data, which keep their case: an alarm's `dimensions`."""
    codecs: Mapping[str, Codec] = field(default_factory=dict)
    """Values that AWS has in another form: `{"signatureVersion": NUMBER}`."""

    # Its name.
    name: str = ""
    """The input that gets an automatic name: `replicationGroupId`; empty if the type has none."""
    name_limit: int = 255
    """The longest name that AWS accepts, in characters: 64 for a role."""
    name_separator: str = "-"
    """Stands before the digits of an automatic name; empty for an instance."""
    name_is_lower: bool = False
    """Whether AWS keeps the name in lower case, as a subnet group's."""
    name_start: str = ""
    """What each name must begin with: `alias/`."""
    delete_before_replace: bool = False
    """Whether a replacement has to wait until the old one is deleted: a queue has one policy at a time."""
    regional: bool = True
    """Whether it is in a region; False for IAM."""

    # What the emulator lacks.
    unsupported: Mapping[str, str] = field(default_factory=dict)
    """Properties that the emulator loses -> why: `{"kmsKeyId port": "the emulator drops them"}`. The state keeps them
    as they were given."""

    # What AWS refuses and the emulator accepts.
    requests: tuple[str, ...] = ()
    """Requests in botocore's service model whose members limit the inputs of the same names: `("create_role",)`;
    `put_targets.Targets` stands for one item of that member."""
    shapes: Mapping[str, str] = field(default_factory=dict)
    """Input -> the one member with its limits: `{"notifications": "create_notification.Notification"}`."""
    validators: tuple[Validator, ...] = ()
    """Refuse what no service model excludes: `between("retentionPeriod", 24, 8760)`."""

    # Its other calls.
    setters: tuple[Setter, ...] = ()
    """Make what the create call does not, and the updates: `Setter(keys("policy"), _put_policy)`."""
    tagging: Tagging | None = None
    """How it is tagged; None if it has no tags."""

    @cached_property
    def inputs(self) -> frozenset[str]:
        return self.force_new | self.updatable | self.state_only | self.write_only

    @cached_property
    def properties(self) -> frozenset[str]:
        """Every property that the state has."""
        implied = {"tagsAll"} if "tags" in self.inputs else set()
        return (self.inputs - self.write_only) | self.outputs | implied | ({"region"} if self.regional else set())

    @cached_property
    def kept(self) -> frozenset[str]:
        """The properties that are never read back."""
        return (self.state_only | keys(" ".join(self.unsupported))) & self.properties

    @cached_property
    def read_back(self) -> frozenset[str]:
        return self.properties - self.kept - {"tags", "tagsAll", "region"}

    @cached_property
    def create_arguments(self) -> frozenset[str]:
        """The inputs that the create call itself takes."""
        later = frozenset(key for setter in self.setters if setter.create for key in setter.keys)
        return (self.force_new | self.updatable) - later - {"tags", "region"}

    def default(self, key: str, inputs: Props) -> Any:
        """Return the value that an input has if the program does not give it; None if that is for AWS to say."""
        other, value = self.default_with.get(key, ("", None))
        return value if inputs.get(other) else self.defaults.get(key)

    def replaces(self, key: str, old: Any, new: Any) -> bool:
        """Return whether the change of an input replaces the resource."""
        return key in self.force_new or (key in self.force_new_if and self.force_new_if[key](old, new))

    def aws_name(self, key: str) -> str:
        return self.names.get(key) or self.case(key)

    def is_computed(self, key: str) -> bool:
        """Return whether AWS or the provider chooses the value if the program does not."""
        return key in self.computed or key == self.name


class Aws(Protocol):
    """The account that an engine's connection leads to."""

    region: str
    account: str
    default_tags: dict[str, str]

    @property
    def folder(self) -> Path:
        """The folder to which a program's paths are relative."""

    def client(self, service: str, region: str = "") -> Any:
        """Return boto3's client of a service."""


class ResourceContext:
    """One operation on one resource, as the calls of its `Spec` see it."""

    def __init__(
        self,
        spec: Spec,
        aws: Aws,
        *,
        inputs: Props,
        state: Props,
        identity: str = "",
        write_only: Props | None = None,
    ) -> None:
        self.spec = spec
        self.aws = aws
        self.inputs: Props = inputs
        """What the program wants."""
        self.state: Props = state
        """What is known of the resource so far; a call may add outputs that the emulator lacks."""
        self.id: str = identity
        """AWS's id; empty before the create."""
        self.write_only_values = write_only or {}
        self.changed: frozenset[str] = frozenset()
        """The inputs that this operation has to set."""
        self.region: str = state.get("region") or inputs.get("region") or aws.region
        self.account: str = aws.account

    def call(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Call AWS and return the response; arguments that are None are left out."""
        given = {key: value for key, value in arguments.items() if value is not None}
        response: dict[str, Any] = getattr(self.client(self.spec.client), name)(**given)
        return response

    def client(self, service: str) -> Any:
        """Return boto3's client of a service in the resource's region."""
        return self.aws.client(service, self.region)

    def create(self, call: str, path: str = "", **more: Any) -> str:
        """Make the create call with every input that it takes, and return the id at `path`, else the name."""
        described = DEFAULT_DESCRIPTION.keys() & self.spec.defaults.keys()
        arguments = self.arguments(self.spec.create_arguments & (self.inputs.keys() | described))
        response = self.call(call, **(arguments | more))
        return str(get_path(response, path) if path else self.get(self.spec.name))

    def modify(self, call: str, names: frozenset[str], **more: Any) -> dict[str, Any]:
        """Make an update call with those of the inputs `names` that changed; a removed one is emptied."""
        return self.call(call, **(self.arguments(names & self.changed) | more))

    def first(self, call: str, key: str, **arguments: Any) -> dict[str, Any] | None:
        """Return the first item of a list in a response; None if the list is empty."""
        items: list[dict[str, Any]] = self.call(call, **arguments).get(key) or []
        return items[0] if items else None

    def get(self, key: str) -> Any:
        """Return the value of an input, else its default."""
        return self.inputs.get(key, self.spec.default(key, self.inputs))

    def arguments(self, names: frozenset[str]) -> dict[str, Any]:
        """Return inputs as AWS writes them: `{"KmsKeyId": "…"}`."""
        return {self.spec.aws_name(key): self._encode(key) for key in sorted(names)}

    def attributes(self, names: frozenset[str]) -> dict[str, str]:
        """Return the given ones of some inputs for a service whose attributes are texts."""
        return {name: str(value) for name, value in self.arguments(names & self.inputs.keys()).items()}

    def tags(self) -> dict[str, str]:
        """Return the tags to set, the provider's default tags included."""
        return dict(self.get("tagsAll") or {})

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region if self.spec.regional else ''}:{self.account}:{resource}"

    def error(self, code: str, message: str) -> ClientError:
        """Return an error that AWS would give where the emulator does not."""
        return ClientError({"Error": {"Code": code, "Message": message}}, self.spec.kind.rsplit(":", 1)[-1])

    def decode(self, key: str, value: Any) -> Any:
        """Return a value of AWS as Pulumi writes it."""
        if value is None:
            return None
        if key in self.spec.codecs:
            return self.spec.codecs[key][1](value)
        return value if key in self.spec.maps else from_aws(value)

    def _encode(self, key: str) -> Any:
        value = self.get(key)
        if value is None:
            value = [] if isinstance(self.state.get(key), list) else ""
        if key in self.spec.codecs:
            return self.spec.codecs[key][0](value)
        return value if key in self.spec.maps else to_aws(value)


def arn_of(context: ResourceContext) -> str:
    """Return the ARN in the state."""
    return str(context.state["arn"])


def is_not_found(error: ClientError) -> bool:
    """Return whether an error says that the resource does not exist; each service has its own code."""
    code = error.response.get("Error", {}).get("Code", "")
    return any(sign in code for sign in ("NotFound", "NoSuch", "NonExistent", "DoesNotExist", "InvalidKeyId"))


def to_aws(value: Any) -> Any:
    """Return a value with the keys of its maps as AWS writes them."""
    if isinstance(value, dict):
        return {pascal(key): to_aws(item) for key, item in value.items() if item is not None}
    return [to_aws(item) for item in value] if isinstance(value, list) else value


def from_aws(value: Any) -> Any:
    """Return a value with the keys of its maps as Pulumi writes them."""
    if isinstance(value, dict):
        return {camel(key): from_aws(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [from_aws(item) for item in value]
    return value if isinstance(value, str | int | float | bool) else str(value)


def get_path(item: Any, path: str) -> Any:
    """Return the value at a path of keys, numbers and `*` (each item of a list); None if it leads nowhere."""
    if not path or item is None:
        return item
    step, _, rest = path.partition(".")
    if step == "*":
        return [get_path(one, rest) for one in item]
    if step.isdigit():
        return get_path(item[int(step)], rest) if len(item) > int(step) else None
    return get_path(item.get(step), rest)
