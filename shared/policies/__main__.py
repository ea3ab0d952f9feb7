"""The rules as a CrossGuard pack. `pack` starts it: mandatory for production, advisory for the rest.

A policy holds all rules of an area: the SDK unpacks the resource anew for each policy, and a policy for each rule
cost 0.8 s of a deployment. The engine asks a policy for its level before it says which stack it looks at, so each
policy is there twice, and the one of the other level stands aside.
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

from shared.policies import AREAS, violations
from shared.policies.conventions import default_tags
from shared.policies.profile import is_production
from shared.policies.rule import Resource

LEVELS = {EnforcementLevel.MANDATORY: "", EnforcementLevel.ADVISORY: "-advisory"}
"""The levels, and how names of policies end for them."""


def policy(area: str, level: EnforcementLevel) -> ResourceValidationPolicy:
    """The rules of an area as a policy of one level."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = seen(args)
        if resource.production == (level is EnforcementLevel.MANDATORY):
            for violation in violations(resource, AREAS[area]):
                report(violation.sentence, args.urn)

    return ResourceValidationPolicy(
        name=f"{area}{LEVELS[level]}",
        description=f"What {area} has to be",
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
        policies=[policy(area, level) for area, level in product(AREAS, LEVELS)],
    )
