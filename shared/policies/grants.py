"""What policy documents allow: to whom, to do what, with which things, and under which conditions."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain

from shared.policies.documents import (
    ALL,
    ENDPOINTS,
    IDENTITY,
    OVER_TLS,
    QUEUE,
    QUEUE_POLICY,
    RESOURCES,
    SECRET,
    SECRET_POLICY,
    STREAM,
    STREAM_POLICY,
    TOPIC,
    TOPIC_POLICY,
    TRUST,
    Statement,
    allows,
    as_list,
    conditions,
    documents,
    is_for_everybody,
    principals,
    services,
    statements,
)
from shared.policies.rule import Resource, Rules

RULES = Rules()

LEAST_PRIVILEGE = "IAM User Guide, Security best practices: apply least-privilege permissions"
ACCOUNT = re.compile(r"\d{12}")
ARN = re.compile(r"arn:[\w-]+:[\w-]+:[^:]*:\d{12}:.+")
"""Of one account; whatever else has a wildcard."""
ACCOUNT_IN = re.compile(r"(?:^|:)(\d{12})(?=:|$)")
"""The account that a principal or the value of a condition names; the id of a VPC may have as many digits."""
NAMED = re.compile(r"[^*?$]+")
"""Without a wildcard or a variable, which the caller may fill."""

OF_THE_CALLER: Mapping[str, re.Pattern[str]] = {
    "aws:principalaccount": ACCOUNT,
    "aws:principalarn": ARN,
    "aws:principalorgid": NAMED,
    "aws:sourceaccount": ACCOUNT,
    "aws:sourcearn": ARN,
    "aws:sourceowner": ACCOUNT,
    "aws:sourcevpc": NAMED,
    "aws:sourcevpce": NAMED,
    "kms:calleraccount": ACCOUNT,
}
"""Condition keys that tell who calls or from where, and how their values have to look.

IAM User Guide, "Global condition context keys"; KMS Developer Guide, "Condition keys".
"""

OF_THE_SERVICE: Mapping[str, re.Pattern[str]] = {
    "aws:sourceaccount": ACCOUNT,
    "aws:sourcearn": ARN,
    "kms:encryptioncontext:aws:logs:arn": ARN,
}
"""Condition keys that tell on whose behalf a service of AWS calls.

The last is CloudWatch Logs' way (its User Guide, "Encrypt log data using AWS KMS").
"""

EQUALITY = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"})
"""Operators that hold for the values they name only. Those with IfExists hold without the key, too, ForAllValues
without a value, Null and the negations for what nobody named."""

ALL_OF_A_KIND = re.compile(
    r"\*+|arn:[^:]*:s3:::\*.*|arn:[^:]*:(?!s3:)[^:]*:[^:]*:[^:]*:([\w-]+[:/])?\*+",
)
"""A resource that stands for all of a service, or all of one kind: of S3's ARNs, only the bucket tells."""

PASSED = frozenset({"lambda.amazonaws.com", "ec2.amazonaws.com"})
"""Services that take a role only from someone who may pass it: iam:PassRole does not cross accounts."""


@RULES.on_statements("IAM.1", IDENTITY)
def no_administrator(statement: Statement, _: Resource) -> str | None:
    """No policy allows every action on every resource."""
    everything = any(not action.strip("*:") for action in as_list(statement.get("Action")))
    if allows(statement) and everything and "*" in as_list(statement.get("Resource")):
        return "name the actions and the resources"
    return None


@RULES.on_statements("IAM.21", *ALL)
def no_whole_service(statement: Statement, _: Resource) -> str | None:
    """No policy allows all actions of a service."""
    whole = [action for action in as_list(statement.get("Action")) if _is_whole_service(action)]
    return f"name the actions in place of {', '.join(whole)}" if allows(statement) and whole else None


@RULES.on_statements("TXMON.5", *ALL, source=LEAST_PRIVILEGE)
def named_actions(statement: Statement, _: Resource) -> str | None:
    """An action with a wildcard, or NotAction, has its reason in the table of exceptions."""
    actions = as_list(statement.get("Action"))
    wild = [action for action in actions if {"*", "?"} & set(action) and not _is_whole_service(action)]
    if allows(statement) and (wild or "NotAction" in statement):
        return f"name the actions in place of {', '.join(wild) or 'NotAction'}, or give a reason in exceptions.py"
    return None


@RULES.on_statements("TXMON.6", IDENTITY, ENDPOINTS, source=LEAST_PRIVILEGE)
def named_resources(statement: Statement, _: Resource) -> str | None:
    """The resource "*", all resources of a kind, or NotResource has its reason in the table of exceptions."""
    wild = any(map(ALL_OF_A_KIND.fullmatch, as_list(statement.get("Resource"))))
    if allows(statement) and (wild or "NotResource" in statement):
        return "name the resources, or give a reason in exceptions.py"
    return None


@RULES.on_statements("TXMON.7", TRUST, RESOURCES, source="IAM User Guide, Principal: *")
def no_public_principal(statement: Statement, _: Resource) -> str | None:
    """Nobody outside the account is allowed anything: the principal "*" needs a condition on who calls."""
    public = is_for_everybody(statement) or "NotPrincipal" in statement
    if allows(statement) and public and not _binds(statement, OF_THE_CALLER):
        return "name the principals, or add a condition that the caller's account (or VPC) equals ours"
    return None


@RULES.on_statements("TXMON.8", TRUST, RESOURCES, source="IAM User Guide, The confused deputy problem")
def no_confused_deputy(statement: Statement, resource: Resource) -> str | None:
    """A service of AWS, which acts for many accounts, is let in on behalf of ours only."""
    passed = PASSED if resource.type in TRUST else frozenset()
    deputies = [name for name in services(statement) if name not in passed]
    if allows(statement) and deputies and not _binds(statement, OF_THE_SERVICE):
        return (
            f"add the condition aws:SourceAccount to {', '.join(deputies)}, or aws:SourceArn with our account in it"
        )
    return None


@RULES.on_statements("TXMON.32", TRUST, RESOURCES, source="AWS whitepaper, Building a data perimeter on AWS")
def own_account_only(statement: Statement, resource: Resource) -> str | None:
    """Nobody of another account is let in, where the environment says which account is its own."""
    callers = [values for _, key, values in conditions(statement) if key in OF_THE_CALLER]
    named = chain(principals(statement), *callers)
    foreign = {account for name in named for account in ACCOUNT_IN.findall(name)} - resource.accounts
    if allows(statement) and resource.accounts and foreign:
        return f"leave out account {', '.join(sorted(foreign))}, or give a reason in exceptions.py"
    return None


@RULES.on_statements("TXMON.33", ENDPOINTS, source="AWS whitepaper, Building a data perimeter on AWS")
def own_resources_only(statement: Statement, _: Resource) -> str | None:
    """Through a VPC endpoint only this account's resources are reached, unless others are named."""
    named = as_list(statement.get("Resource"))
    everything = not named or any(map(ALL_OF_A_KIND.fullmatch, named))
    if allows(statement) and everything and not _binds(statement, {"aws:resourceaccount": ACCOUNT}):
        return "add the condition that aws:ResourceAccount equals our account, or name the resources"
    return None


TARGETS: Mapping[str, str] = {
    QUEUE: "name",
    QUEUE_POLICY: "queueUrl",
    TOPIC: "name",
    TOPIC_POLICY: "arn",
    STREAM_POLICY: "resourceArn",
    SECRET: "name",
    SECRET_POLICY: "secretArn",
}
"""Type -> the input that names what its policy of `OVER_TLS` is about."""

OVER_PLAIN_HTTP: Mapping[str, tuple[str, ...]] = {
    "sqs": ("sqs:*",),
    "secretsmanager": ("secretsmanager:*",),
    # These two refuse a policy with actions that are not the resource's own.
    "sns": ("sns:publish",),
    "kinesis": ("kinesis:putrecord", "kinesis:putrecords", "kinesis:getrecords", "kinesis:getsharditerator"),
}
"""Service -> the actions that have to be denied: what carries data, as the services' developer guides give it."""


@RULES.on("TXMON.9", *OVER_TLS, source="AWS Well-Architected Framework, SEC09-BP02: enforce encryption in transit")
def tls_only(resource: Resource) -> str | None:
    """The policy of a stream, secret, queue or topic denies calls without TLS: to everyone, and all that matter."""
    actions = OVER_PLAIN_HTTP[resource.type.split(":")[1].split("/")[0]]
    for document in documents(resource, OVER_TLS):
        target = _name(str(resource.get(TARGETS[resource.type], "")))
        if not any(_denies_without_tls(statement, actions, target) for statement in statements(document)):
            return f"add policy.deny_without_tls for {', '.join(actions)} on this resource"
    return None


@RULES.on_stack(
    "TXMON.27",
    *(QUEUE, TOPIC, STREAM, SECRET),
    source="AWS Well-Architected Framework, SEC09-BP02: enforce encryption in transit",
)
def has_tls_policy(resource: Resource, stack: Sequence[Resource]) -> str | None:
    """A stream, secret, queue or topic has a policy: without one nothing denies calls without TLS."""
    beside = any(each.type in TARGETS and each.is_for(resource, TARGETS[each.type]) for each in stack)
    # What is not an argument here may still be there: the policy that AWS gives to a topic that has none.
    own = "policy" in resource.uses or (any(documents(resource, OVER_TLS)) and not tls_only(resource))
    return None if beside or own else "give it a policy with policy.deny_without_tls"


def _denies_without_tls(statement: Statement, actions: Sequence[str], target: str) -> bool:
    denied = [action.lower() for action in as_list(statement.get("Action"))]
    named = [_name(resource) for resource in as_list(statement.get("Resource"))]
    return (
        statement.get("Effect") == "Deny"
        and is_for_everybody(statement)
        and conditions(statement) == [("bool", "aws:securetransport", ["false"])]
        and all(any(fnmatchcase(action, pattern) for pattern in denied) for action in actions)
        and any(fnmatchcase(target, pattern) for pattern in named)
    )


def _name(resource: str) -> str:
    """What a resource is called, of its ARN, its URL or its name."""
    return resource.rpartition("/" if resource.startswith("http") else ":")[2]


def _is_whole_service(action: str) -> bool:
    return not action.rpartition(":")[2].strip("*")


def _binds(statement: Statement, keys: Mapping[str, re.Pattern[str]]) -> bool:
    """Whether a condition holds for named values of one of these keys only."""
    return any(
        operator in EQUALITY and key in keys and values and all(map(keys[key].fullmatch, values))
        for operator, key, values in conditions(statement)
    )
