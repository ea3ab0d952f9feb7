"""Rules for policy documents: principals, actions, resources and conditions."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain

from shared.policies.documents import (
    ALL_POLICIES,
    ENDPOINT_POLICIES,
    IDENTITY_POLICIES,
    QUEUE,
    QUEUE_POLICY,
    RESOURCE_POLICIES,
    SECRET,
    SECRET_POLICY,
    STREAM,
    STREAM_POLICY,
    TLS_POLICIES,
    TOPIC,
    TOPIC_POLICY,
    TRUST_POLICIES,
    Statement,
    allows,
    as_list,
    conditions,
    documents,
    is_public,
    principals,
    services,
    statements,
)
from shared.policies.resource import Resource
from shared.policies.rule import Rules

RULES = Rules()

LEAST_PRIVILEGE = "IAM User Guide, Security best practices: apply least-privilege permissions"
DATA_PERIMETER = "AWS whitepaper, Building a data perimeter on AWS"
IN_TRANSIT = "AWS Well-Architected Framework, SEC09-BP02: enforce encryption in transit"

ACCOUNT = re.compile(r"\d{12}")
ARN = re.compile(r"arn:[\w-]+:[\w-]+:[^:]*:\d{12}:.+")
"""An ARN with an account in it; other parts may have wildcards."""
ACCOUNT_IN_ARN = re.compile(r"(?:^|:)(\d{12})(?=:|$)")
"""The account in a principal or a condition's value; a VPC's id, which may hold 12 digits too, does not match."""
LITERAL = re.compile(r"[^*?$]+")
"""A value without wildcards and policy variables."""

CALLER_KEYS: Mapping[str, re.Pattern[str]] = {
    "aws:principalaccount": ACCOUNT,
    "aws:principalarn": ARN,
    "aws:principalorgid": LITERAL,
    "aws:sourceaccount": ACCOUNT,
    "aws:sourcearn": ARN,
    "aws:sourceowner": ACCOUNT,
    "aws:sourcevpc": LITERAL,
    "aws:sourcevpce": LITERAL,
    "kms:calleraccount": ACCOUNT,
}
"""Condition keys that identify the caller or the network, and the pattern that a restrictive value matches.

IAM User Guide, "Global condition context keys"; KMS Developer Guide, "Condition keys".
"""

SOURCE_KEYS: Mapping[str, re.Pattern[str]] = {
    "aws:sourceaccount": ACCOUNT,
    "aws:sourcearn": ARN,
    "kms:encryptioncontext:aws:logs:arn": ARN,
}
"""Condition keys that identify the resource or account on whose behalf an AWS service calls.

CloudWatch Logs uses the last one (User Guide, "Encrypt log data using AWS KMS").
"""

EQUALITY_OPERATORS = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"})
"""Operators that match the listed values only. `…IfExists` also matches without the key, `ForAllValues:…` without a
value, and `Null` and the negations match values that are not listed."""

WILDCARD_RESOURCE = re.compile(
    r"\*+|arn:[^:]*:s3:::\*.*|arn:[^:]*:(?!s3:)[^:]*:[^:]*:[^:]*:([\w-]+[:/])?\*+",
)
"""All resources of a service or of a type. Of an S3 ARN, only the bucket counts."""

PASS_ROLE_SERVICES = frozenset({"lambda.amazonaws.com", "ec2.amazonaws.com"})
"""Services that need `iam:PassRole` to use a role. It does not work across accounts."""


@RULES.on_statements("IAM.1", IDENTITY_POLICIES)
def no_administrator_access(statement: Statement, _: Resource) -> str | None:
    """No policy allows every action on every resource."""
    everything = any(not action.strip("*:") for action in as_list(statement.get("Action")))
    if allows(statement) and everything and "*" in as_list(statement.get("Resource")):
        return "name the actions and the resources"
    return None


@RULES.on_statements("IAM.21", *ALL_POLICIES)
def no_service_wildcard(statement: Statement, _: Resource) -> str | None:
    """No policy allows all actions of a service."""
    whole = [action for action in as_list(statement.get("Action")) if _is_whole_service(action)]
    return f"name the actions instead of {', '.join(whole)}" if allows(statement) and whole else None


@RULES.on_statements("TXMON.5", *ALL_POLICIES, source=LEAST_PRIVILEGE)
def actions_are_named(statement: Statement, _: Resource) -> str | None:
    """An action with a wildcard, or NotAction, needs a reason in exceptions.py."""
    actions = as_list(statement.get("Action"))
    wild = [action for action in actions if {"*", "?"} & set(action) and not _is_whole_service(action)]
    if allows(statement) and (wild or "NotAction" in statement):
        return f"name the actions instead of {', '.join(wild) or 'NotAction'}, or give a reason in exceptions.py"
    return None


@RULES.on_statements("TXMON.6", IDENTITY_POLICIES, ENDPOINT_POLICIES, source=LEAST_PRIVILEGE)
def resources_are_named(statement: Statement, _: Resource) -> str | None:
    """The resource "*", all resources of a type, or NotResource needs a reason in exceptions.py."""
    wild = any(map(WILDCARD_RESOURCE.fullmatch, as_list(statement.get("Resource"))))
    if allows(statement) and (wild or "NotResource" in statement):
        return "name the resources, or give a reason in exceptions.py"
    return None


@RULES.on_statements("TXMON.7", TRUST_POLICIES, RESOURCE_POLICIES, source="IAM User Guide, Principal: *")
def principal_is_not_public(statement: Statement, _: Resource) -> str | None:
    """The principal "*" needs a condition that restricts the caller to the account."""
    public = is_public(statement) or "NotPrincipal" in statement
    if allows(statement) and public and not _restricts(statement, CALLER_KEYS):
        return "name the principals, or add a condition that the caller's account or VPC is ours"
    return None


@RULES.on_statements(
    "TXMON.8", TRUST_POLICIES, RESOURCE_POLICIES, source="IAM User Guide, The confused deputy problem"
)
def service_acts_for_own_account(statement: Statement, resource: Resource) -> str | None:
    """An AWS service, which acts for many accounts, has access on behalf of ours only."""
    exempt = PASS_ROLE_SERVICES if resource.type in TRUST_POLICIES else frozenset()
    deputies = [name for name in services(statement) if name not in exempt]
    if allows(statement) and deputies and not _restricts(statement, SOURCE_KEYS):
        return f"add the condition aws:SourceAccount to {', '.join(deputies)}, or aws:SourceArn with our account"
    return None


@RULES.on_statements("TXMON.32", TRUST_POLICIES, RESOURCE_POLICIES, source=DATA_PERIMETER)
def principal_is_in_own_account(statement: Statement, resource: Resource) -> str | None:
    """No principal of another account has access, if the environment states its account."""
    callers = [values for _, key, values in conditions(statement) if key in CALLER_KEYS]
    named = chain(principals(statement), *callers)
    foreign = {account for name in named for account in ACCOUNT_IN_ARN.findall(name)} - resource.accounts
    if allows(statement) and resource.accounts and foreign:
        return f"remove account {', '.join(sorted(foreign))}, or give a reason in exceptions.py"
    return None


@RULES.on_statements("TXMON.33", ENDPOINT_POLICIES, source=DATA_PERIMETER)
def endpoint_reaches_own_account_only(statement: Statement, _: Resource) -> str | None:
    """A VPC endpoint reaches resources of this account and named ones only."""
    named = as_list(statement.get("Resource"))
    everything = not named or any(map(WILDCARD_RESOURCE.fullmatch, named))
    if allows(statement) and everything and not _restricts(statement, {"aws:resourceaccount": ACCOUNT}):
        return "add a condition that aws:ResourceAccount is our account, or name the resources"
    return None


POLICY_TARGETS: Mapping[str, str] = {
    QUEUE: "name",
    QUEUE_POLICY: "queueUrl",
    TOPIC: "name",
    TOPIC_POLICY: "arn",
    STREAM_POLICY: "resourceArn",
    SECRET: "name",
    SECRET_POLICY: "secretArn",
}
"""Type of `TLS_POLICIES` -> the input that names the resource to which the policy applies."""

DATA_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "sqs": ("sqs:*",),
    "secretsmanager": ("secretsmanager:*",),
    # These two refuse a policy with actions of other resource types.
    "sns": ("sns:publish",),
    "kinesis": ("kinesis:putrecord", "kinesis:putrecords", "kinesis:getrecords", "kinesis:getsharditerator"),
}
"""Service -> the actions to deny without TLS: those that transfer data, from its developer guide."""


@RULES.on("TXMON.9", *TLS_POLICIES, source=IN_TRANSIT)
def policy_denies_plain_http(resource: Resource) -> str | None:
    """The policy of a stream, secret, queue or topic denies everyone the actions that transfer data without TLS."""
    actions = DATA_ACTIONS[resource.type.split(":")[1].split("/")[0]]
    for document in documents(resource, TLS_POLICIES):
        target = _name(str(resource.get(POLICY_TARGETS[resource.type], "")))
        if not any(_denies_without_tls(statement, actions, target) for statement in statements(document)):
            return f"add iam.deny_without_tls for {', '.join(actions)} on this resource"
    return None


@RULES.on_stack("TXMON.27", QUEUE, TOPIC, STREAM, SECRET, source=IN_TRANSIT)
def resource_has_tls_policy(resource: Resource, stack: Sequence[Resource]) -> str | None:
    """A stream, secret, queue or topic has a policy, which is needed to deny calls without TLS."""
    attached = any(
        each.type in POLICY_TARGETS and each.depends_on(resource, POLICY_TARGETS[each.type]) for each in stack
    )
    # A policy without a source in the stack may be the one that AWS gives to every topic, which denies nothing.
    inline = "policy" in resource.property_dependencies or (
        any(documents(resource, TLS_POLICIES)) and not policy_denies_plain_http(resource)
    )
    return None if attached or inline else "add a policy with iam.deny_without_tls"


def _denies_without_tls(statement: Statement, actions: Sequence[str], target: str) -> bool:
    denied = [action.lower() for action in as_list(statement.get("Action"))]
    named = [_name(resource) for resource in as_list(statement.get("Resource"))]
    return (
        statement.get("Effect") == "Deny"
        and is_public(statement)
        and conditions(statement) == [("bool", "aws:securetransport", ["false"])]
        and all(any(fnmatchcase(action, pattern) for pattern in denied) for action in actions)
        and any(fnmatchcase(target, pattern) for pattern in named)
    )


def _name(resource: str) -> str:
    """Return the name at the end of an ARN, a URL or a plain name."""
    return resource.rpartition("/" if resource.startswith("http") else ":")[2]


def _is_whole_service(action: str) -> bool:
    return not action.rpartition(":")[2].strip("*")


def _restricts(statement: Statement, keys: Mapping[str, re.Pattern[str]]) -> bool:
    """Return whether a condition restricts one of these keys to values that match its pattern."""
    return any(
        operator in EQUALITY_OPERATORS and key in keys and values and all(map(keys[key].fullmatch, values))
        for operator, key, values in conditions(statement)
    )
