"""An IAM linter (parliament) over every policy document of every layer in every environment."""

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
from shared.graph import LAYERS
from shared.policies import documents
from shared.policies.resource import Resource
from tools.orchestrator.repository.environments import known_environments
from tools.txmon.monorepo import MONOREPO

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about pkg_resources, which parliament imports
    import parliament

HERE = "ap-northeast-1:123456789012"
ARNS = {
    "aws:kinesis/stream:Stream": f"arn:aws:kinesis:{HERE}:stream/",
    "aws:sqs/queue:Queue": f"arn:aws:sqs:{HERE}:",
    "aws:sns/topic:Topic": f"arn:aws:sns:{HERE}:",
    "aws:cloudwatch/logGroup:LogGroup": f"arn:aws:logs:{HERE}:log-group:",
    "aws:secretsmanager/secret:Secret": f"arn:aws:secretsmanager:{HERE}:secret:",
    "aws:cloudwatch/eventRule:EventRule": f"arn:aws:events:{HERE}:rule/",
    "aws:rds/instance:Instance": f"arn:aws:rds:{HERE}:db:",
    "aws:backup/vault:Vault": f"arn:aws:backup:{HERE}:backup-vault:",
    "aws:kms/key:Key": f"arn:aws:kms:{HERE}:key/",
    "aws:iam/role:Role": "arn:aws:iam::123456789012:role/",
}
"""Type -> the start of its ARNs. Actions do not match the ARNs that the mocks invent."""


@dataclass(frozen=True)
class Exemption:
    """A finding that does not apply here."""

    issue: str
    policy: str
    """A pattern with `*` for the logical name without suffix."""
    reason: str
    detail: str = "*"


EXEMPTIONS = (
    Exemption(
        "RESOURCE_STAR",
        "*kms-key",
        "in a key policy the resource * is the key itself (KMS Developer Guide, Key policies)",
    ),
    Exemption(
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        "*kms-key",
        "the account's root may administer the key, as in KMS's default policy; IAM policies allow others",
    ),
    Exemption(
        "UNKNOWN_CONDITION_FOR_ACTION",
        "telemetry-kms-key",
        "the CloudWatch Logs User Guide has this statement with kms:Describe*, which never meets the condition:"
        " the service lacks one permission",
        "*kms:EncryptionContext:aws:logs:arn for action kms:Describe*",
    ),
    Exemption(
        "MISMATCHED_TYPE",
        "telemetry-kms-key",
        "as in the CloudWatch Logs User Guide: the encryption context is a string that holds an ARN",
        "*ArnLike*",
    ),
    Exemption(
        "RESOURCE_STAR",
        "permissions-boundary",
        "a boundary grants nothing: it limits actions, and the grants limit resources",
    ),
    Exemption(
        "RESOURCE_STAR",
        "*-vpc-policy",
        "Lambda creates its network interfaces later (see AWSLambdaVPCAccessExecutionRole)",
    ),
    Exemption(
        "UNKNOWN_CONDITION_FOR_ACTION",
        "*-vpc-policy",
        "Lambda adds the key to every call of a function's code (Lambda Developer Guide)",
        "*lambda:SourceFunctionArn for action ec2:*",
    ),
    *(
        Exemption(
            issue,
            policy,
            "the policy is there to allow logging in with IAM instead of a password",
            "*rds-db:connect*",
        )
        for issue in ("CREDENTIALS_EXPOSURE", "PERMISSIONS_MANAGEMENT_ACTIONS")
        for policy in ("*-data-access", "permissions-boundary")
    ),
    Exemption(
        "PERMISSIONS_MANAGEMENT_ACTIONS",
        "backup-permissions",
        "RDS keeps an encrypted copy by a grant, which the condition limits to AWS's services",
        "*kms:creategrant*",
    ),
    Exemption(
        "CREDENTIALS_EXPOSURE",
        "*-role",
        "a trust policy has to let a service assume the role",
        "*sts:assumerole*",
    ),
)


@dataclass(frozen=True)
class Finding:
    """A finding of the linter about a policy document."""

    issue: str
    policy: str
    detail: str

    def exempted_by(self, exemption: Exemption) -> bool:
        return (
            self.issue == exemption.issue
            and fnmatchcase(self.policy, exemption.policy)
            and fnmatchcase(self.detail, exemption.detail)
        )


def lint(name: str, document: str, *, grants: bool = True) -> list[Finding]:
    """Return the linter's findings; with `grants`, also those of its auditors about the effect of the grants.

    A VPC endpoint's policy grants nothing: it only limits what other policies grant.
    """
    return [Finding(issue, name, detail) for issue, detail in linted(document, grants)]


@cache
def linted(document: str, grants: bool) -> list[tuple[str, str]]:
    """Return issues with their details, cached by document."""
    analyzed = parliament.analyze_policy_string(document, include_community_auditors=grants)
    return [(found.issue, str(found.detail or found.location)) for found in analyzed.findings]


def policies(one: Any, made: list[Any]) -> Iterator[str]:
    """Yield the policy documents of a resource in the form that the linter accepts.

    ARNs of the mocks are replaced by ones of the right form. The linter has no mode for trust policies, so those get
    their role as resource.
    """
    seen = Resource(one.typ, one.name, one.inputs)
    for document in documents.documents(seen, documents.IDENTITY_POLICIES, documents.RESOURCE_POLICIES):
        yield with_real_arns(document, made)
    for document in documents.documents(seen, documents.TRUST_POLICIES):
        content = json.loads(with_real_arns(document, made))
        for statement in content["Statement"]:
            statement["Resource"] = f"{ARNS[one.typ]}{one.name}"
        yield json.dumps(content)


def with_real_arns(document: str, made: list[Any]) -> str:
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
                for document in policies(one, made)
                for finding in lint(
                    one.name.removesuffix(f"-{env}"), document, grants=one.typ not in documents.ENDPOINT_POLICIES
                )
            ]
        return kept[program]

    return of


PROGRAMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{f"{layer}-{env}": (layer, env, {}) for layer in LAYERS for env in known_environments(MONOREPO)},
    # Settings in no committed stack file that add statements.
    "every endpoint": ("network", "prod", {"config": {"interfaceEndpoints": get_args(EndpointService)}}),
    "every service": (
        "security",
        "prod",
        {"config": {"consumerServices": get_args(Assumer), "producerServices": get_args(Assumer)}},
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_linter_finds_nothing_without_exemption(findings, program: str) -> None:
    assert [one for one in findings(program) if not any(map(one.exempted_by, EXEMPTIONS))] == []


@pytest.mark.parametrize("exemption", EXEMPTIONS, ids=lambda one: f"{one.issue} {one.policy}")
def test_every_exemption_is_needed(findings, exemption: Exemption) -> None:
    assert any(one.exempted_by(exemption) for program in PROGRAMS for one in findings(program))


@pytest.mark.parametrize(
    ("action", "resource", "issue"),
    [
        ("kinesis:PutRekord", f"arn:aws:kinesis:{HERE}:stream/s", "UNKNOWN_ACTION"),
        ("kinesis:PutRecord", f"arn:aws:sqs:{HERE}:q", "RESOURCE_MISMATCH"),
        ("kinesis:PutRecord", "*", "RESOURCE_STAR"),
        ("iam:CreateAccessKey", "arn:aws:iam::123456789012:user/u", "PRIVILEGE_ESCALATION"),
    ],
)
def test_linter_finds_known_mistakes(action: str, resource: str, issue: str) -> None:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert issue in {finding.issue for finding in lint("it", document)}


def test_every_input_with_a_policy_is_linted(run_layer) -> None:
    """A new type of policy would otherwise be skipped."""
    holding = {
        (one.typ, key)
        for layer, env, config in PROGRAMS.values()
        for one in run_layer(layer, env, **config).resources
        for key, value in one.inputs.items()
        if isinstance(value, str) and '"Statement"' in value and '"Effect"' in value
    }
    assert holding <= {known for inputs in documents.ALL_POLICIES for known in inputs.items()}
