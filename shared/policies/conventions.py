"""What holds for everything: names, tags, and protection of what holds state."""

import re

from shared.names import PHYSICAL
from shared.policies.rule import PROVIDER, Resource, Rules, default_tags
from shared.resource_types import STATEFUL

RULES = Rules()

REQUIRED_TAGS = ("Project", "Environment", "Layer", "Owner", "ManagedBy")
KIND = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

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
    "aws:sns/topic:Topic": "name",
}
"""Type -> the input that is the name which people, policies and applications type."""


@RULES.on("TXMON.21", PROVIDER, source="AWS whitepaper, Best Practices for Tagging AWS Resources")
def everything_is_tagged(provider: Resource) -> str | None:
    """Everything bears the tags by which cost, owner and environment are found."""
    tags = default_tags(provider.get("defaultTags"))
    lacking = [tag for tag in REQUIRED_TAGS if not tags.get(tag)]
    return f"add {', '.join(lacking)} to default_tags" if lacking else None


@RULES.on("TXMON.22", source="shared/names.py")
def logical_name_in_convention(resource: Resource) -> str | None:
    """A resource is called by what it is and its environment, as in vpc-dev."""
    if resource.name == f"{resource.kind}-{resource.suffix}" and KIND.fullmatch(resource.kind):
        return None
    return "name it with stack.names.logical(…)"


@RULES.on("TXMON.23", *PHYSICAL_NAMES, source="shared/names.py")
def physical_name_in_convention(resource: Resource) -> str | None:
    """A name that people, policies and applications type is one of those in shared/names.py, or begins with one."""
    name = str(resource.get(PHYSICAL_NAMES[resource.type]))
    known = [pattern.format(resource.suffix) for pattern in PHYSICAL.values()]
    if any(name == each or name.startswith((f"{each}-", f"{each}/")) for each in known):
        return None
    return "name it with stack.names.physical(…)"


@RULES.on("TXMON.24", *STATEFUL, source="Pulumi documentation, the resource option protect")
def state_is_protected(resource: Resource) -> str | None:
    """Pulumi refuses to delete or replace what holds state."""
    return None if resource.protect else "give it the options of stack.stateful"
