"""Rules for every resource: names, tags, and the protection of state."""

import re

from shared.names import PHYSICAL
from shared.policies.resource import PROVIDER, Resource, default_tags
from shared.policies.rule import Rules
from shared.resource_types import STATEFUL

RULES = Rules()

REQUIRED_TAGS = ("Project", "Environment", "Layer", "Owner", "ManagedBy")
BASE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

PHYSICAL_NAMES = {
    "aws:kms/alias:Alias": "name",
    "aws:iam/role:Role": "name",
    "aws:iam/policy:Policy": "name",
    "aws:secretsmanager/secret:Secret": "name",
    "aws:kinesis/stream:Stream": "name",
    "aws:sqs/queue:Queue": "name",
    "aws:rds/instance:Instance": "identifier",
    "aws:elasticache/replicationGroup:ReplicationGroup": "replicationGroupId",
    "aws:cloudwatch/logGroup:LogGroup": "name",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "name",
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": "alarmName",
    "aws:cloudwatch/dashboard:Dashboard": "dashboardName",
    "aws:lambda/function:Function": "name",
    "aws:sns/topic:Topic": "name",
}
"""Type -> the input with the name that people, policies and applications use."""


@RULES.on("TXMON.21", PROVIDER, source="AWS whitepaper, Best Practices for Tagging AWS Resources")
def provider_has_default_tags(provider: Resource) -> str | None:
    """The provider sets the default tags Project, Environment, Layer, Owner and ManagedBy."""
    tags = default_tags(provider.get("defaultTags"))
    missing = [tag for tag in REQUIRED_TAGS if not tags.get(tag)]
    return f"add {', '.join(missing)} to default_tags" if missing else None


@RULES.on("TXMON.22", source="shared/names.py")
def logical_name_follows_convention(resource: Resource) -> str | None:
    """A logical name is what the resource is, and the environment suffix, as in vpc-dev."""
    if resource.name == f"{resource.base_name}-{resource.suffix}" and BASE_NAME.fullmatch(resource.base_name):
        return None
    return "name it with stack.names.logical(…)"


@RULES.on("TXMON.23", *PHYSICAL_NAMES, source="shared/names.py")
def physical_name_follows_convention(resource: Resource) -> str | None:
    """A name that people, policies and applications use is in shared/names.py, or begins with a name from it."""
    name = str(resource.get(PHYSICAL_NAMES[resource.type]))
    known = [pattern.format(resource.suffix) for pattern in PHYSICAL.values()]
    if any(name == each or name.startswith((f"{each}-", f"{each}/")) for each in known):
        return None
    return "name it with stack.names.physical(…)"


@RULES.on("TXMON.24", *STATEFUL, source="Pulumi documentation, the resource option protect")
def stateful_resource_is_protected(resource: Resource) -> str | None:
    """A resource that holds state is protected: Pulumi refuses to delete or replace it."""
    return None if resource.protect else "set protect=stack.protect, as stack.stateful does"
