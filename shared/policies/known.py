"""The rule that refuses types without rules: nobody has decided what is safe for them."""

from collections.abc import Iterable, Mapping

from shared.policies.resource import Resource
from shared.policies.rule import Rule, Rules

TYPES_WITHOUT_RULES: Mapping[str, str] = {
    "aws:backup/plan:Plan": "says when backups are taken and copied; vaults and roles have rules",
    "aws:backup/selection:Selection": "names resources and a role, which has rules",
    "aws:backup/vaultLockConfiguration:VaultLockConfiguration": "only restricts who may delete copies",
    "aws:budgets/budget:Budget": "only measures cost",
    "aws:cloudwatch/eventRule:EventRule": "matches events; the target's policy decides who receives them",
    "aws:cloudwatch/eventTarget:EventTarget": "sends to a topic, whose policy allows the rule by its ARN",
    "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy": "only masks data",
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": "counts lines of a log group, which has rules",
    "aws:cloudwatch/queryDefinition:QueryDefinition": "a saved query, which runs with the permissions of its user",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "connects a subnet and a route table, which have rules",
    "aws:elasticache/parameterGroup:ParameterGroup": "tunes Redis; access to it is set on the replication group",
    "aws:elasticache/subnetGroup:SubnetGroup": "lists subnets, which have rules",
    "aws:lambda/invocation:Invocation": "runs a function, which has rules",
    "aws:rds/eventSubscription:EventSubscription": "sends to a topic, whose policy allows RDS for this account",
    "aws:rds/subnetGroup:SubnetGroup": "lists subnets, which have rules",
}
"""Type -> the reason why it needs no rule."""


def known_types_only(rules: Iterable[Rule]) -> Rules:
    """Return the rule that refuses every type that has neither a rule nor a reason in `TYPES_WITHOUT_RULES`."""
    known = frozenset(TYPES_WITHOUT_RULES).union(*(rule.types for rule in rules))
    added = Rules()

    @added.on("TXMON.28", source="shared/policies/known.py")
    def type_is_known(resource: Resource) -> str | None:
        """A resource is of a type that has rules, or needs none."""
        if resource.type in known:
            return None
        return f"write rules for {resource.type}, or say in known.py why it needs none"

    return added
