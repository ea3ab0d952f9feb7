"""Policy as code: the rules for every resource of every layer.

A rule is a function over one resource. The pack runs the rules inside Pulumi (CrossGuard), and the tests run them
over every layer under mocks. `exceptions.py` lists the accepted violations, each with its reason.
"""

from collections.abc import Iterable, Sequence

from shared.policies import access, conventions, databases, functions, grants, known, network, telemetry
from shared.policies.exceptions import is_accepted
from shared.policies.resource import Resource
from shared.policies.rule import Rule, Rules, Violation

AREAS: dict[str, Rules] = {
    "network": network.RULES,
    "access": Rules([*access.RULES, *grants.RULES]),
    "databases": databases.RULES,
    "functions": functions.RULES,
    "telemetry": telemetry.RULES,
    "conventions": conventions.RULES,
}
"""Area -> its rules."""
AREAS["conventions"] = Rules(
    [*conventions.RULES, *known.known_types_only(rule for rules in AREAS.values() for rule in rules)]
)


def violations(resource: Resource, rules: Iterable[Rule], stack: Sequence[Resource] = ()) -> list[Violation]:
    """Return the violations of a resource that are not accepted. `stack` are all resources of its stack."""
    found = (violation for rule in rules for violation in rule.violations(resource, stack))
    return [violation for violation in found if not is_accepted(violation)]
