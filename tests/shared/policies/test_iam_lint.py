"""Every policy document of every layer in every environment through an IAM linter (parliament)."""

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, get_args

import pytest

from projects.network.config import EndpointService
from projects.security.config import Assumer
from shared.environments import known_environments
from shared.graph import LAYERS
from shared.policies import documents
from shared.policies.resource import Resource

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of pkg_resources, which it imports
    import parliament

HERE = "ap-northeast-1:123456789012"
ARNS = {
    "aws:kinesis/stream:Stream": f"arn:aws:kinesis:{HERE}:stream/",
    "aws:sqs/queue:Queue": f"arn:aws:sqs:{HERE}:",
    "aws:sns/topic:Topic": f"arn:aws:sns:{HERE}:",
    "aws:cloudwatch/logGroup:LogGroup": f"arn:aws:logs:{HERE}:log-group:",
    "aws:secretsmanager/secret:Secret": f"arn:aws:secretsmanager:{HERE}:secret:",
    "aws:cloudwatch/eventRule:EventRule": f"arn:aws:events:{HERE}:rule/",
    "aws:iam/role:Role": "arn:aws:iam::123456789012:role/",
}
"""How the ARNs of a type begin; the mocks make up others, which no action fits."""


@dataclass(frozen=True)
class Excused:
    """A finding that is none here."""

    issue: str
    policy: str
    """Logical name without the environment, with `*`."""
    reason: str
    detail: str = "*"


EXCUSED = (
    Excused(
        "RESOURCE_STAR",
        "*kms-key",
        "in a key's policy the resource * is the key itself (KMS Developer Guide, Key policies)",
    ),
    Excused(
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        "*kms-key",
        "the account's root may administer the key, as in KMS's default policy: IAM says who else may",
    ),
    Excused(
        "UNKNOWN_CONDITION_FOR_ACTION",
        "telemetry-kms-key",
        "CloudWatch Logs User Guide gives this statement with kms:Describe*, for which the condition does not hold:"
        " the service then has one right less",
        "*kms:EncryptionContext:aws:logs:arn for action kms:Describe*",
    ),
    Excused(
        "MISMATCHED_TYPE",
        "telemetry-kms-key",
        "as the CloudWatch Logs User Guide gives it: the encryption context is a string that holds an ARN",
        "*ArnLike*",
    ),
    Excused(
        "RESOURCE_STAR",
        "permissions-boundary",
        "a boundary grants nothing: it limits actions, and the grants limit the resources",
    ),
    Excused(
        "RESOURCE_STAR",
        "kinesis-vpc-policy",
        "Lambda's network interfaces do not exist beforehand (AWSLambdaVPCAccessExecutionRole)",
    ),
    Excused(
        "UNKNOWN_CONDITION_FOR_ACTION",
        "kinesis-vpc-policy",
        "Lambda adds the key to every call that a function's code makes (Lambda Developer Guide)",
        "*lambda:SourceFunctionArn for action ec2:*",
    ),
    *(
        Excused(issue, policy, "logging in with IAM in place of a password is what it is for", "*rds-db:connect*")
        for issue in ("CREDENTIALS_EXPOSURE", "PERMISSIONS_MANAGEMENT_ACTIONS")
        for policy in ("consumer-data-access", "permissions-boundary")
    ),
    Excused(
        "CREDENTIALS_EXPOSURE",
        "*-role",
        "a trust policy is there to let a service assume the role",
        "*sts:assumerole*",
    ),
)


@dataclass(frozen=True)
class Finding:
    """What the linter says of a policy document."""

    issue: str
    policy: str
    detail: str

    def excused_by(self, excuse: Excused) -> bool:
        return (
            self.issue == excuse.issue
            and fnmatchcase(self.policy, excuse.policy)
            and fnmatchcase(self.detail, excuse.detail)
        )


def lint(name: str, document: str, *, grants: bool = True) -> list[Finding]:
    """What the linter says; of a document that grants something, its auditors of what that makes possible too.

    A VPC endpoint's grants nothing: it lets this account's principals through to its own resources.
    """
    return [Finding(issue, name, detail) for issue, detail in linted(document, grants)]


@cache
def linted(document: str, grants: bool) -> list[tuple[str, str]]:
    """Issues with their details, once for equal documents."""
    analyzed = parliament.analyze_policy_string(document, include_community_auditors=grants)
    return [(found.issue, str(found.detail or found.location)) for found in analyzed.findings]


def carried(one: Any, made: list[Any]) -> Iterator[str]:
    """The policy documents of a resource as the linter takes them.

    ARNs get the right form in place of what the mocks make up; a trust policy, for which it has no mode, gets the
    role that it belongs to as its resource.
    """
    seen = Resource(one.typ, one.name, one.inputs)
    for document in documents.documents(seen, documents.IDENTITY_POLICIES, documents.RESOURCE_POLICIES):
        yield real(document, made)
    for document in documents.documents(seen, documents.TRUST_POLICIES):
        content = json.loads(real(document, made))
        for statement in content["Statement"]:
            statement["Resource"] = f"{ARNS[one.typ]}{one.name}"
        yield json.dumps(content)


def real(document: str, made: list[Any]) -> str:
    for one in sorted(made, key=lambda resource: len(resource.name), reverse=True):
        if one.typ in ARNS:
            document = document.replace(f"arn:aws:test:{HERE}:{one.name}", f"{ARNS[one.typ]}{one.name}")
    return document


@pytest.fixture(scope="session")
def findings(run_layer) -> Callable[[str], list[Finding]]:
    kept: dict[str, list[Finding]] = {}

    def of(program: str) -> list[Finding]:
        if program not in kept:
            layer, env, config = PROGRAMS[program]
            made = run_layer(layer, env, **config).resources
            kept[program] = [
                finding
                for one in made
                for document in carried(one, made)
                for finding in lint(
                    one.name.removesuffix(f"-{env}"), document, grants=one.typ not in documents.ENDPOINT_POLICIES
                )
            ]
        return kept[program]

    return of


PROGRAMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{f"{layer}-{env}": (layer, env, {}) for layer in LAYERS for env in known_environments()},
    # What no committed stack file asks for, and makes other statements.
    "every endpoint": ("network", "prod", {"config": {"interfaceEndpoints": get_args(EndpointService)}}),
    "every service": (
        "security",
        "prod",
        {"config": {"consumerServices": get_args(Assumer), "producerServices": get_args(Assumer)}},
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_linter_finds_nothing_that_is_not_excused(findings, program: str) -> None:
    assert [one for one in findings(program) if not any(map(one.excused_by, EXCUSED))] == []


@pytest.mark.parametrize("excuse", EXCUSED, ids=lambda excuse: f"{excuse.issue} {excuse.policy}")
def test_every_excuse_is_needed(findings, excuse: Excused) -> None:
    assert any(one.excused_by(excuse) for program in PROGRAMS for one in findings(program))


@pytest.mark.parametrize(
    ("action", "resource", "issue"),
    [
        ("kinesis:PutRekord", f"arn:aws:kinesis:{HERE}:stream/s", "UNKNOWN_ACTION"),
        ("kinesis:PutRecord", f"arn:aws:sqs:{HERE}:q", "RESOURCE_MISMATCH"),
        ("kinesis:PutRecord", "*", "RESOURCE_STAR"),
        ("iam:CreateAccessKey", "arn:aws:iam::123456789012:user/u", "PRIVILEGE_ESCALATION"),
    ],
)
def test_the_linter_finds_what_it_is_here_for(action: str, resource: str, issue: str) -> None:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert issue in {finding.issue for finding in lint("it", document)}


def test_every_input_that_holds_a_policy_is_known(run_layer) -> None:
    """So that a new type of policy does not go unread."""
    holding = {
        (one.typ, key)
        for layer, env, config in PROGRAMS.values()
        for one in run_layer(layer, env, **config).resources
        for key, value in one.inputs.items()
        if isinstance(value, str) and '"Statement"' in value and '"Effect"' in value
    }
    assert holding <= {known for inputs in documents.ALL_POLICIES for known in inputs.items()}
