"""What policy documents allow: to whom, to do what, with which things, and under which conditions."""

import re

from shared.policies.documents import (
    ALL,
    ENDPOINTS,
    IDENTITY,
    OVER_TLS,
    RESOURCES,
    TRUST,
    Statement,
    allows,
    as_list,
    conditions,
    documents,
    is_for_everybody,
    services,
    statements,
)
from shared.policies.rule import Resource, Rules

RULES = Rules()

LEAST_PRIVILEGE = "IAM User Guide, Security best practices: apply least-privilege permissions"
OF_THE_CALLER = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceowner",
        "kms:calleraccount",
    }
)
"""Condition keys that tell who calls (IAM User Guide, "Global condition context keys"; KMS Developer Guide)."""

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
    if allows(statement) and public and not OF_THE_CALLER & _keys(statement):
        return "name the principals, or add a condition on the caller's account"
    return None


@RULES.on_statements("TXMON.8", TRUST, source="IAM User Guide, The confused deputy problem")
def no_confused_deputy(statement: Statement, _: Resource) -> str | None:
    """A service that acts for many accounts takes a role only on behalf of ours."""
    deputies = [name for name in services(statement) if name not in PASSED]
    if allows(statement) and deputies and "aws:sourceaccount" not in _keys(statement):
        return f"add the condition aws:SourceAccount to {', '.join(deputies)}"
    return None


@RULES.on("TXMON.9", *OVER_TLS, source="AWS Well-Architected Framework, SEC09-BP02: enforce encryption in transit")
def tls_only(resource: Resource) -> str | None:
    """The policy of a stream, secret, queue or topic denies calls without TLS to everyone."""
    for document in documents(resource, OVER_TLS):
        if not any(map(_denies_without_tls, statements(document))):
            return "add policy.deny_without_tls"
    return None


def _denies_without_tls(statement: Statement) -> bool:
    return (
        statement.get("Effect") == "Deny"
        and is_for_everybody(statement)
        and conditions(statement) == [("bool", "aws:securetransport", ["false"])]
    )


def _is_whole_service(action: str) -> bool:
    return not action.rpartition(":")[2].strip("*")


def _keys(statement: Statement) -> set[str]:
    return {key for _, key, _ in conditions(statement)}
