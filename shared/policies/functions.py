"""Rules for Lambda functions and for what reads a stream for them."""

import re
from typing import Any

from shared.policies.resource import Resource
from shared.policies.rule import Rules

RULES = Rules()

FUNCTION = "aws:lambda/function:Function"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"

RUNTIMES = frozenset({"python3.11", "python3.12", "python3.13", "python3.14"})
"""The runtimes of Python that AWS supports for years to come (Lambda Developer Guide, "Lambda runtimes")."""

CREDENTIAL = re.compile(r"PASSWORD|SECRET|TOKEN|API_?KEY|CREDENTIAL")
ARN = re.compile(r"arn:[\w-]+:secretsmanager:.+")

FOREVER = -1
"""The default of a mapping's attempts and record age."""


@RULES.on("Lambda.2", FUNCTION)
def function_has_supported_runtime(function: Resource) -> str | None:
    """A function uses a runtime that AWS supports."""
    return None if function.get("runtime") in RUNTIMES else f"set runtime to one of {', '.join(sorted(RUNTIMES))}"


@RULES.on("Lambda.3", FUNCTION)
def function_is_in_vpc(function: Resource) -> str | None:
    """A function is in the VPC, whose security groups limit what it reaches."""
    return None if _vpc(function).get("securityGroupIds") else "set vpc_config"


@RULES.on("Lambda.5", FUNCTION)
def function_is_in_two_zones(function: Resource) -> str | None:
    """A function in the VPC runs in two availability zones or more."""
    subnets = _vpc(function).get("subnetIds") or ()
    return "set vpc_config to all private subnets" if len(subnets) == 1 else None


@RULES.on("TXMON.35", FUNCTION, source="Lambda Developer Guide, Configuring advanced logging controls")
def function_logs_to_own_group(function: Resource) -> str | None:
    """A function logs to a log group of the stack. Lambda's own groups keep logs for ever and have no key."""
    return None if (function.get("loggingConfig") or {}).get("logGroup") else "set logging_config with a log_group"


@RULES.on("TXMON.36", FUNCTION, source="Lambda Developer Guide, Securing environment variables")
def function_variables_hold_no_secrets(function: Resource) -> str | None:
    """An environment variable holds no password, token or key; it may hold the ARN of a secret."""
    variables = (function.get("environment") or {}).get("variables") or {}
    bare = sorted(name for name, value in variables.items() if CREDENTIAL.search(name) and not ARN.match(str(value)))
    return f"put the ARN of a secret in {', '.join(bare)}" if bare else None


@RULES.on("TXMON.37", MAPPING, source="Lambda Developer Guide, Process records from a Kinesis stream")
def mapping_gives_up_and_tells(mapping: Resource) -> str | None:
    """A mapping gives a failing batch up after attempts or an age, and names it in a queue or topic."""
    lacking = [
        name
        for name, key in (
            ("maximum_retry_attempts", "maximumRetryAttempts"),
            ("maximum_record_age_in_seconds", "maximumRecordAgeInSeconds"),
        )
        if mapping.get(key, FOREVER) == FOREVER
    ]
    if not ((mapping.get("destinationConfig") or {}).get("onFailure") or {}).get("destinationArn"):
        lacking.append("destination_config")
    return f"set {', '.join(lacking)}" if lacking else None


def _vpc(function: Resource) -> dict[str, Any]:
    return function.get("vpcConfig") or {}
