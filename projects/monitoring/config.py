"""What the monitoring layer can be told."""

import hashlib
import re
from typing import Annotated, Self

import pulumi
from pulumi.runtime.config import is_config_secret
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from shared.config import IamPrincipals, LayerConfig, LogRetentionDays, Matching, Structured, refusal
from shared.environments import suggestion

SUBSCRIBE = """pulumi config set --secret subscriptions '[{"protocol": "email", "endpoint": "team@example.com"}]'"""
"""The command that says who is told."""

ENDPOINTS = {
    "email": (r"[^@]+@[^@]+", "name@example.com"),
    "email-json": (r"[^@]+@[^@]+", "name@example.com"),
    "https": (r"https://.+", "https://..."),
    "sms": (r"\+\d+", "+819012345678"),
    "sqs": (r"arn:aws:sqs:.+", "arn:aws:sqs:..."),
    "lambda": (r"arn:aws:lambda:.+", "arn:aws:lambda:..."),
}
"""By protocol: the form of an endpoint, and an example of it (SNS API reference, Subscribe)."""


FunctionName = Annotated[
    str, Matching(r"[a-zA-Z0-9_-]{1,64}", "letters, digits, hyphens and underscores, 64 at most")
]
"""Lambda API reference, CreateFunction, a name alone."""


class Subscription(BaseModel):
    """Somebody who is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    endpoint: str
    paging: bool = False
    """Only the composite alarm: for what rings at night."""

    @property
    def name(self) -> str:
        """The same for the same endpoint, wherever it stands in the list, and silent about which it is."""
        digest = hashlib.sha256(f"{self.protocol}:{self.endpoint}".encode()).hexdigest()
        return f"{self.protocol}-{digest[:8]}"

    @property
    def fault(self) -> str | None:
        """What SNS would refuse, without the endpoint; None if nothing."""
        if self.protocol not in ENDPOINTS:
            return f"there is no protocol {self.protocol!r}; {suggestion(self.protocol, list(ENDPOINTS))}"
        pattern, example = ENDPOINTS[self.protocol]
        if not re.fullmatch(pattern, self.endpoint):
            return f"an endpoint of {self.protocol} must be as {example}"
        return None


class MonitoringConfig(LayerConfig):
    """Thresholds, retention and who is told."""

    log_retention_days: LogRetentionDays = 365
    """Days that application logs and flow logs are kept."""

    subscriptions: Annotated[tuple[Subscription, ...], Structured] = ()
    """Who is told: a list of protocol, endpoint and paging. A secret: set it with `pulumi config set --secret`."""

    iterator_age_seconds: PositiveInt = 60
    """How far the consumer may fall behind the stream before the alarm."""

    consumer_function: FunctionName | None = None
    """The Lambda function that reads the stream, where one does: its errors, throttles and delay are watched too."""

    # RDS User Guide, "Managing capacity automatically with Amazon RDS storage autoscaling".
    free_storage_percent: Annotated[int, Field(ge=1, le=9)] = 5
    """The part of PostgreSQL's first disk that must stay free. RDS grows the disk at 10 %; below, it could not."""

    expects_traffic: bool = True
    """Whether a quarter of an hour without a transaction, or without a heartbeat in the logs, is an alarm."""

    mask_personal_data: bool = True
    """Mask card numbers and e-mail addresses in the logs of applications and databases."""

    routine_secret_readers: Annotated[tuple[IamPrincipals, ...], Structured] = ("role/txmon-deploy-*",)
    """Who reads the secrets as a matter of course beside the consumer, as the end of an IAM ARN with `*`."""

    monthly_budget_usd: NonNegativeInt = 1200
    """What the system may cost a month before mail goes to the e-mail subscriptions; 0 for no budget."""

    @classmethod
    def load(cls) -> Self:
        """As every layer's.

        Raises:
            pulumi.RunError: also if who is told stands in the stack file in plain text.
        """
        config = super().load()
        if config.subscriptions and not is_config_secret(f"{pulumi.get_project()}:subscriptions"):
            raise refusal("subscriptions", f"addresses are secrets, and these are in plain text; use {SUBSCRIBE}")
        return config

    @model_validator(mode="after")
    def _subscriptions_that_sns_takes(self) -> Self:
        """Here and not in `Subscription`, since what is wrong inside of a secret setting is not told."""
        seen: dict[str, int] = {}
        for number, each in enumerate(self.subscriptions):
            if each.fault:
                raise ValueError(f"subscriptions.{number}: {each.fault}")
            if each.name in seen:
                raise ValueError(f"subscriptions.{number} has the endpoint of subscriptions.{seen[each.name]}")
            seen[each.name] = number
        return self
