"""The rules as a CrossGuard pack. `pack` starts it: mandatory for production, advisory for the rest.

The engine asks a policy for its level before it says which stack it looks at, so each rule is there twice, and the
one of the other level stands aside.
"""

import os
import stat
import sys
import threading
from itertools import product
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from shared.policies import RULES
from shared.policies.conventions import default_tags
from shared.policies.exceptions import accepted
from shared.policies.profile import is_production
from shared.policies.rule import Resource, Rule

LEVELS = (EnforcementLevel.MANDATORY, EnforcementLevel.ADVISORY)


def policy(rule: Rule, level: EnforcementLevel) -> ResourceValidationPolicy:
    """The rule as a policy of one level."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if not rule.concerns(args.resource_type):
            return
        resource = seen(args)
        if resource.production != (level is EnforcementLevel.MANDATORY):
            return
        try:
            for violation in rule.violations(resource):
                if not accepted(violation):
                    report(violation.sentence, args.urn)
        except UnknownValueError as error:
            args.not_applicable(f"{error.message}; the deployment looks again")

    return ResourceValidationPolicy(
        name=rule.control if level is EnforcementLevel.MANDATORY else f"{rule.control} (advisory)",
        description=rule.description,
        validate=validate,
        enforcement_level=level,
    )


def seen(args: ResourceValidationArgs) -> Resource:
    """The resource as the rules know it."""
    _, _, stack, project, *_ = args.urn.replace("::", ":").split(":")
    provider: Any = args.provider.props if args.provider else {}
    return Resource(
        type=args.resource_type,
        name=args.name,
        inputs=args.props,
        protect=args.opts.protect,
        production=is_production(project, stack),
        default_tags=default_tags(provider.get("defaultTags")),
    )


def end_with_the_last_user() -> None:
    """End when nobody holds the other end of the standard input any more."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):  # of ./inv; the engine gives none, and ends its packs
        threading.Thread(target=end_with_the_last_user, daemon=True).start()
    PolicyPack(
        name="txmon",
        description="What a reviewer of security and reliability would look for",
        policies=[policy(rule, level) for rule, level in product(RULES, LEVELS)],
    )
