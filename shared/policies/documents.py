"""Policy documents: the inputs that hold them, and their statements."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from shared.policies.resource import Resource, UnknownValueError

Statement = Mapping[str, Any]
PolicyInputs = Mapping[str, str]
"""Type -> the input that holds a policy document; `list.input` if each member of a list holds one."""

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

IDENTITY_POLICIES: PolicyInputs = {
    ROLE: "inlinePolicies.policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/policy:Policy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:ssoadmin/permissionSetInlinePolicy:PermissionSetInlinePolicy": "inlinePolicy",
}
"""Identity-based policies: what their role, user or group may do."""

TRUST_POLICIES: PolicyInputs = {ROLE: "assumeRolePolicy"}
"""Who may assume a role."""

ENDPOINT_POLICIES: PolicyInputs = {
    "aws:ec2/vpcEndpoint:VpcEndpoint": "policy",
    "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy": "policy",
}
"""Who may do what through a VPC endpoint."""

TLS_POLICIES: PolicyInputs = {
    QUEUE: "policy",
    QUEUE_POLICY: "policy",
    TOPIC: "policy",
    TOPIC_POLICY: "policy",
    STREAM_POLICY: "policy",
    SECRET: "policy",
    SECRET_POLICY: "policy",
}
"""Who may do what with a resource whose API accepts calls without TLS."""

KEY_POLICIES: PolicyInputs = {
    KEY: "policy",
    "aws:kms/keyPolicy:KeyPolicy": "policy",
}
"""Who may do what with a key."""

OTHER_POLICIES: PolicyInputs = {
    "aws:backup/vaultPolicy:VaultPolicy": "policy",
    "aws:cloudwatch/eventBusPolicy:EventBusPolicy": "policy",
    "aws:cloudwatch/logDestinationPolicy:LogDestinationPolicy": "accessPolicy",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "policyDocument",
    "aws:dynamodb/resourcePolicy:ResourcePolicy": "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:lambda/resourcePolicy:ResourcePolicy": "policy",
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
}
"""The same for services that layers do not use yet. `known.py` refuses all other types."""

RESOURCE_POLICIES: PolicyInputs = {**ENDPOINT_POLICIES, **TLS_POLICIES, **KEY_POLICIES, **OTHER_POLICIES}
ALL_POLICIES: tuple[PolicyInputs, ...] = (IDENTITY_POLICIES, TRUST_POLICIES, RESOURCE_POLICIES)


def documents(resource: Resource, *inputs: PolicyInputs) -> Iterator[str]:
    """Yield the policy documents of a resource as JSON, except those that a preview does not know yet."""
    for each in inputs:
        if resource.type in each:
            for document in values_at(resource.inputs, each[resource.type]):
                yield document if isinstance(document, str) else json.dumps(_plain(document))


def statements(document: str) -> list[Statement]:
    """Return the statements of a policy document."""
    return as_list(json.loads(document or "{}").get("Statement"))


def values_at(inputs: Any, path: str) -> Iterator[Any]:
    """Yield the values at a path as in `PolicyInputs`, except those that are not set or not known yet."""
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
    """Return a list of what IAM accepts as a single value or a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def allows(statement: Statement) -> bool:
    return bool(statement.get("Effect") == "Allow")


def is_public(statement: Statement) -> bool:
    """Return whether the principal is `*`."""
    return "*" in principals(statement)


def principals(statement: Statement) -> list[str]:
    """Return the accounts, roles and users among the principals."""
    principal = statement.get("Principal")
    return as_list(principal.get("AWS")) if isinstance(principal, dict) else as_list(principal)


def services(statement: Statement) -> list[str]:
    """Return the AWS services among the principals."""
    principal = statement.get("Principal")
    return as_list(principal.get("Service")) if isinstance(principal, dict) else []


def conditions(statement: Statement) -> list[tuple[str, str, list[str]]]:
    """Return operator, key and values of each condition; the first two in lower case, as IAM ignores their case."""
    return [
        (operator.lower(), key.lower(), [_text(value) for value in as_list(values)])
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, values in keys.items()
    ]


def _text(value: Any) -> str:
    """Return a value of a condition, which JSON may hold as a boolean, as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    """Return dicts and lists in place of the policy SDK's proxies, which `json` cannot write."""
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(member) for member in value]
    return value
