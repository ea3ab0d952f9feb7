"""The policy pack without an engine: how it converts resources and which level reports a violation."""

from typing import Any

import pytest
from pulumi_policy import (
    EnforcementLevel,
    PolicyCustomTimeouts,
    PolicyProviderResource,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    StackValidationArgs,
)

from shared.policies import network
from shared.policies.__main__ import resource_policy, stack_policy, to_resource

QUEUE, KEY, GROUP = "aws:sqs/queue:Queue", "aws:kms/key:Key", network.DEFAULT_SECURITY_GROUP


def urn(kind: str, name: str, env: str = "prod") -> str:
    return f"urn:pulumi:{env}::txmon-data::txmon:data:Component${kind}::{name}"


OPTIONS = PolicyResourceOptions(
    protect=True,
    ignore_changes=[],
    delete_before_replace=None,
    aliases=[],
    custom_timeouts=PolicyCustomTimeouts(0, 0, 0),
    additional_secret_outputs=[],
)
PROVIDER = PolicyProviderResource(
    "pulumi:providers:aws",
    {"defaultTags": '{"tags": {"Environment": "prod"}}', "allowedAccountIds": '["123456789012"]'},
    urn("pulumi:providers:aws", "aws"),
    "aws",
)


def policy_resource(kind: str, name: str, env: str = "prod", **uses: list[PolicyResource]) -> PolicyResource:
    return PolicyResource(kind, {}, urn(kind, name, env), name, OPTIONS, PROVIDER, None, [], uses)


def validation_args(kind: str, env: str, **inputs: Any) -> ResourceValidationArgs:
    return ResourceValidationArgs(kind, inputs, urn(kind, "thing-prod", env), "thing-prod", OPTIONS, PROVIDER)


def test_resource_has_the_settings_of_its_provider_and_stack() -> None:
    resource = to_resource(validation_args(QUEUE, "dev", name="one"))
    assert (resource.type, resource.name, resource.inputs) == (QUEUE, "thing-prod", {"name": "one"})
    assert resource.protect
    assert resource.base_name == "thing"
    assert resource.accounts == {"123456789012"}
    assert not resource.production
    assert to_resource(validation_args(QUEUE, "prod")).production


def test_resource_knows_where_its_inputs_come_from() -> None:
    vpc = policy_resource(network.VPC, "vpc-prod")
    group = to_resource(policy_resource(GROUP, "group-prod", vpcId=[vpc]))
    assert group.depends_on(to_resource(vpc), "vpcId")
    assert not group.depends_on(to_resource(vpc), "name")


class Reports(list[tuple[str, str | None]]):
    """The sentence and the URN of each reported violation."""

    def __call__(self, message: str, urn: str | None = None) -> None:
        self.append((message, urn))


@pytest.mark.parametrize(("env", "level"), [("prod", "mandatory"), ("dev", "advisory")])
def test_violation_is_reported_at_the_level_of_its_stack(env: str, level: str) -> None:
    reports = {each: Reports() for each in ("mandatory", "advisory")}
    for each, report in reports.items():
        resource_policy("access", EnforcementLevel(each)).validate(validation_args(KEY, env), report)
    sentence = "KMS.4 (A key is rotated): set enable_key_rotation=True"
    assert reports.pop(level) == [(sentence, urn(KEY, "thing-prod", env))]
    assert list(reports.values()) == [[]]


def test_missing_resource_is_reported_for_the_one_that_needs_it() -> None:
    vpc = policy_resource(network.VPC, "vpc-prod")
    managed = policy_resource(GROUP, "group-prod", vpcId=[vpc])
    policy = stack_policy(EnforcementLevel.MANDATORY)
    without, complete = Reports(), Reports()
    policy.validate(StackValidationArgs([vpc]), without)
    policy.validate(StackValidationArgs([vpc, managed]), complete)
    assert [about for _, about in without] == [vpc.urn]
    assert complete == []
