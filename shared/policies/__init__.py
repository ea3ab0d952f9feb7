"""Policy as code: what every resource of every layer has to be, whoever deploys it.

A rule is a function over one resource. The pack runs the rules inside Pulumi (CrossGuard), the tests run the same
functions over every layer under mocks. `exceptions.py` holds what is accepted in spite of a rule, with the reason.
"""

from collections.abc import Iterable, Sequence

from shared.policies import access, conventions, databases, grants, known, network, telemetry
from shared.policies.exceptions import accepted
from shared.policies.rule import Resource, Rule, Rules, Violation

AREAS: dict[str, Rules] = {
    "network": network.RULES,
    "access": Rules([*access.RULES, *grants.RULES]),
    "databases": databases.RULES,
    "telemetry": telemetry.RULES,
    "conventions": conventions.RULES,
}
"""The rules by what they are about."""
AREAS["conventions"] = Rules(
    [*conventions.RULES, *known.known_types_only(rule for rules in AREAS.values() for rule in rules)]
)


def violations(resource: Resource, rules: Iterable[Rule], stack: Sequence[Resource] = ()) -> list[Violation]:
    """What is wrong with a resource and not accepted; `stack` is all that there is beside it."""
    return [violation for rule in rules for violation in rule.violations(resource, stack) if not accepted(violation)]
