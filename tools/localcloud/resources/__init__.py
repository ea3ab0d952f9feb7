"""Collects the resource types of all services by Pulumi's name, which is how engines ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools.localcloud.resources import (
    backup,
    budgets,
    cloudwatch,
    ec2,
    elasticache,
    events,
    iam,
    kinesis,
    kms,
    lambda_,
    logs,
    rds,
    secretsmanager,
    sns,
    sqs,
)

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import Spec

MODULES: Final = (
    backup, budgets, cloudwatch, ec2, elasticache, events, iam, kinesis, kms, lambda_, logs, rds, secretsmanager, sns,
    sqs,
)  # fmt: skip
SPECS: Final[dict[str, Spec]] = {spec.kind: spec for module in MODULES for spec in module.SPECS}
