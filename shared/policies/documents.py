"""Policy documents: which resources carry them, in which input, and what their statements say."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pulumi_policy.proxy import UnknownValueError

if TYPE_CHECKING:
    from shared.policies.rule import Resource

Statement = Mapping[str, Any]
Carriers = Mapping[str, str]
"""Type -> the input that holds the document; `list.input` for that of each member of a list."""

ROLE = "aws:iam/role:Role"
KEY = "aws:kms/key:Key"
SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105 (a type)
STREAM = "aws:kinesis/stream:Stream"
QUEUE = "aws:sqs/queue:Queue"
TOPIC = "aws:sns/topic:Topic"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
STREAM_POLICY = "aws:kinesis/resourcePolicy:ResourcePolicy"
SECRET_POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"  # noqa: S105 (a type)

IDENTITY: Carriers = {
    ROLE: "inlinePolicies.policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/policy:Policy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:ssoadmin/permissionSetInlinePolicy:PermissionSetInlinePolicy": "inlinePolicy",
}
"""What whoever bears it may do."""

TRUST: Carriers = {ROLE: "assumeRolePolicy"}
"""Who may take a role."""

ENDPOINTS: Carriers = {
    "aws:ec2/vpcEndpoint:VpcEndpoint": "policy",
    "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy": "policy",
}
"""What passes through a VPC endpoint."""

OVER_TLS: Carriers = {
    QUEUE: "policy",
    QUEUE_POLICY: "policy",
    TOPIC: "policy",
    TOPIC_POLICY: "policy",
    STREAM_POLICY: "policy",
    SECRET: "policy",
    SECRET_POLICY: "policy",
}
"""Who may do what with a resource whose API could be called without TLS."""

KEYS: Carriers = {
    KEY: "policy",
    "aws:kms/keyPolicy:KeyPolicy": "policy",
}
"""Who may do what with a key."""

OTHERS: Carriers = {
    "aws:backup/vaultPolicy:VaultPolicy": "policy",
    "aws:cloudwatch/eventBusPolicy:EventBusPolicy": "policy",
    "aws:cloudwatch/logDestinationPolicy:LogDestinationPolicy": "accessPolicy",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "policyDocument",
    "aws:dynamodb/resourcePolicy:ResourcePolicy": "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:lambda/resourcePolicy:ResourcePolicy": "policy",
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
}
"""The same of services that the system may use next. All other types are refused themselves (`known.py`)."""

RESOURCES: Carriers = {**ENDPOINTS, **OVER_TLS, **KEYS, **OTHERS}
ALL: tuple[Carriers, ...] = (IDENTITY, TRUST, RESOURCES)


def documents(resource: "Resource", *carriers: Carriers) -> Iterator[str]:
    """The policy documents of a resource as JSON; without those that a preview does not know yet."""
    for each in carriers:
        if resource.type in each:
            for document in values_at(resource.inputs, each[resource.type]):
                yield document if isinstance(document, str) else json.dumps(_plain(document))


def statements(document: str) -> list[Statement]:
    """The statements of a policy document."""
    return as_list(json.loads(document or "{}").get("Statement"))


def values_at(inputs: Any, path: str) -> Iterator[Any]:
    """The values at a path as in `Carriers`; without those that are not given, or not known yet."""
    key, _, rest = path.partition(".")
    if isinstance(inputs, Mapping) and path:
        with suppress(UnknownValueError):
            yield from values_at(inputs.get(key), rest)
    elif isinstance(inputs, Sequence) and not isinstance(inputs, str):
        for index in range(len(inputs)):
            with suppress(UnknownValueError):
                yield from values_at(inputs[index], path)
    elif inputs is not None and not path:
        yield inputs


def as_list(value: Any) -> list[Any]:
    """What IAM lets stand alone or in a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def allows(statement: Statement) -> bool:
    return bool(statement.get("Effect") == "Allow")


def is_for_everybody(statement: Statement) -> bool:
    """Whether the principal is `*`."""
    return "*" in principals(statement)


def principals(statement: Statement) -> list[str]:
    """The accounts, roles and users among the principals."""
    principal = statement.get("Principal")
    return as_list(principal.get("AWS")) if isinstance(principal, dict) else as_list(principal)


def services(statement: Statement) -> list[str]:
    """The services of AWS among the principals."""
    principal = statement.get("Principal")
    return as_list(principal.get("Service")) if isinstance(principal, dict) else []


def conditions(statement: Statement) -> list[tuple[str, str, list[str]]]:
    """Operator, key and values of each condition; the first two in lower case, as IAM takes them in any."""
    return [
        (operator.lower(), key.lower(), [_text(value) for value in as_list(values)])
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, values in keys.items()
    ]


def _text(value: Any) -> str:
    """A condition's value, which JSON may hold as a boolean."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(member) for member in value]
    return value
