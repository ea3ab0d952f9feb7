"""The rules as a CrossGuard policy pack, started by `pack`: mandatory for production, advisory for other stacks.

One policy holds all rules of an area, because the SDK deserializes a resource once for each policy: one policy for
each rule made a deployment 0.8 s slower. The engine asks for a policy's level before it names the stack. So the pack
has each policy at both levels, and the one of the wrong level reports nothing.
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
from shared.policies.resource import Resource, default_tags, provider_setting

STDIN = 0

LEVELS = {EnforcementLevel.MANDATORY: "", EnforcementLevel.ADVISORY: "-advisory"}
"""Level -> the end of a policy's name."""


def resource_policy(area: str, level: EnforcementLevel) -> ResourceValidationPolicy:
    """Return a policy with the rules of an area over single resources."""
    rules = [rule for rule in AREAS[area] if not rule.needs_stack]

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = to_resource(args)
        if resource.production == (level is EnforcementLevel.MANDATORY):
            for violation in violations(resource, rules):
                report(violation.sentence, args.urn)

    return ResourceValidationPolicy(
        name=f"{area}{LEVELS[level]}",
        description=f"Rules for {area}",
        validate=validate,
        enforcement_level=level,
    )


def stack_policy(level: EnforcementLevel) -> StackValidationPolicy:
    """Return a policy with the rules over whole stacks, which the engine runs once it knows all resources."""
    rules = [rule for area in AREAS.values() for rule in area if rule.needs_stack]

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = {each.urn: to_resource(each) for each in args.resources}
        for urn, resource in stack.items():
            if resource.production == (level is EnforcementLevel.MANDATORY):
                for violation in violations(resource, rules, list(stack.values())):
                    report(violation.sentence, urn)

    return StackValidationPolicy(
        name=f"stack{LEVELS[level]}",
        description="Rules for whole stacks",
        validate=validate,
        enforcement_level=level,
    )


def to_resource(given: ResourceValidationArgs | PolicyResource) -> Resource:
    """Return the engine's resource as the rules see it."""
    _, _, stack, project, *_ = given.urn.replace("::", ":").split(":")
    provider: Any = given.provider.props if given.provider else {}
    dependencies = given.property_dependencies if isinstance(given, PolicyResource) else {}
    return Resource(
        type=given.resource_type,
        name=given.name,
        inputs=given.props,
        protect=given.opts.protect,
        production=is_production(project, stack),
        default_tags=default_tags(provider.get("defaultTags")),
        accounts=frozenset(provider_setting(provider.get("allowedAccountIds")) or ()),
        property_dependencies={
            key: frozenset((each.resource_type, each.name) for each in resources)
            for key, resources in dependencies.items()
        },
    )


def exit_at_end_of_input() -> None:
    """Exit once no process holds the write end of standard input: the runner and its engines are gone."""
    while os.read(STDIN, 1):  # not sys.stdin: a thread that reads it holds its lock, which Python needs to shut down
        pass
    os._exit(0)


if __name__ == "__main__":
    if stat.S_ISFIFO(os.fstat(STDIN).st_mode):  # from ./inv or the engine; not a terminal or /dev/null
        threading.Thread(target=exit_at_end_of_input, daemon=True).start()
    PolicyPack(
        name="txmon",
        description="Rules for security and reliability",
        policies=[*starmap(resource_policy, product(AREAS, LEVELS)), *map(stack_policy, LEVELS)],
    )
