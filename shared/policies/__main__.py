"""The rules as a CrossGuard pack. `pack` starts it: mandatory for production, advisory for the rest.

A policy holds all rules of an area: the SDK unpacks the resource anew for each policy, and a policy for each rule
cost 0.8 s of a deployment. The engine asks a policy for its level before it says which stack it looks at, so each
policy is there twice, and the one of the other level stands aside.
"""

import os
import stat
import threading
from itertools import product, starmap
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from shared.policies import AREAS, violations
from shared.policies.profile import is_production
from shared.policies.rule import Resource, default_tags, of_provider

STDIN = 0

LEVELS = {EnforcementLevel.MANDATORY: "", EnforcementLevel.ADVISORY: "-advisory"}
"""The levels, and how names of policies end for them."""


def policy(area: str, level: EnforcementLevel) -> ResourceValidationPolicy:
    """The rules of an area over single resources as a policy of one level."""
    rules = [rule for rule in AREAS[area] if not rule.of_the_stack]

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = seen(args)
        if resource.production == (level is EnforcementLevel.MANDATORY):
            for violation in violations(resource, rules):
                report(violation.sentence, args.urn)

    return ResourceValidationPolicy(
        name=f"{area}{LEVELS[level]}",
        description=f"What {area} has to be",
        validate=validate,
        enforcement_level=level,
    )


def stack_policy(level: EnforcementLevel) -> StackValidationPolicy:
    """The rules over whole stacks as a policy of one level: the engine asks when all resources are known."""
    rules = [rule for area in AREAS.values() for rule in area if rule.of_the_stack]

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = {each.urn: seen(each) for each in args.resources}
        for urn, resource in stack.items():
            if resource.production == (level is EnforcementLevel.MANDATORY):
                for violation in violations(resource, rules, list(stack.values())):
                    report(violation.sentence, urn)

    return StackValidationPolicy(
        name=f"stack{LEVELS[level]}",
        description="What a stack has to have",
        validate=validate,
        enforcement_level=level,
    )


def seen(given: ResourceValidationArgs | PolicyResource) -> Resource:
    """The resource as the rules know it."""
    _, _, stack, project, *_ = given.urn.replace("::", ":").split(":")
    provider: Any = given.provider.props if given.provider else {}
    uses = given.property_dependencies if isinstance(given, PolicyResource) else {}
    return Resource(
        type=given.resource_type,
        name=given.name,
        inputs=given.props,
        protect=given.opts.protect,
        production=is_production(project, stack),
        default_tags=default_tags(provider.get("defaultTags")),
        accounts=frozenset(of_provider(provider.get("allowedAccountIds")) or ()),
        uses={key: frozenset((used.resource_type, used.name) for used in each) for key, each in uses.items()},
    )


def end_with_the_last_user() -> None:
    """End when nobody holds the other end of the standard input any more."""
    while os.read(STDIN, 1):  # past sys.stdin, whose lock nobody could take when Python takes it down
        pass
    os._exit(0)


if __name__ == "__main__":
    if stat.S_ISFIFO(os.fstat(STDIN).st_mode):  # of ./inv or of the engine; a terminal or /dev/null is nobody's end
        threading.Thread(target=end_with_the_last_user, daemon=True).start()
    PolicyPack(
        name="txmon",
        description="What a reviewer of security and reliability would look for",
        policies=[*starmap(policy, product(AREAS, LEVELS)), *map(stack_policy, LEVELS)],
    )
