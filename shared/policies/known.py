"""Which types of resources may be made at all: a type that no rule looks at could be anything."""

from collections.abc import Iterable, Mapping

from shared.policies.rule import Resource, Rule, Rules

HARMLESS: Mapping[str, str] = {
    "aws:budgets/budget:Budget": "counts cost",
    "aws:cloudwatch/eventRule:EventRule": "matches events; who may receive them is said by the target's policy",
    "aws:cloudwatch/eventTarget:EventTarget": "sends to a topic, whose policy admits the rule by its ARN",
    "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy": "only hides data",
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": "counts lines of a log group that is judged itself",
    "aws:cloudwatch/queryDefinition:QueryDefinition": "a saved query, run with the rights of whoever runs it",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "joins a subnet and a route table, which is judged itself",
    "aws:elasticache/parameterGroup:ParameterGroup": "tunes Redis; its door is the replication group's",
    "aws:elasticache/subnetGroup:SubnetGroup": "names subnets, which are judged themselves",
    "aws:rds/eventSubscription:EventSubscription": "sends to a topic, whose policy admits RDS for this account",
    "aws:rds/subnetGroup:SubnetGroup": "names subnets, which are judged themselves",
}
"""Types that need no rule, and why."""


def known_types_only(rules: Iterable[Rule]) -> Rules:
    """The rule that refuses every type that neither `rules` look at nor `HARMLESS` excuses."""
    known = frozenset(HARMLESS).union(*(rule.types for rule in rules))
    itself = Rules()

    @itself.on("TXMON.28", source="shared/policies/known.py")
    def type_is_known(resource: Resource) -> str | None:
        """A type of resource is one that the rules know."""
        if resource.type in known:
            return None
        return f"write the rules for {resource.type}, or say in known.py why it needs none"

    return itself
