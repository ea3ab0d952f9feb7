"""The settings of the monitoring layer."""

import hashlib
import re
from typing import Annotated, Literal, Self

import pulumi
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from shared.config import IamPrincipals, LayerConfig, LogRetentionDays, Structured, refusal, suggestion
from shared.pulumi_sdk import is_secret

SUBSCRIBE = """pulumi config set --secret subscriptions '[{"protocol": "email", "endpoint": "team@example.com"}]'"""
"""The command that sets `subscriptions`."""

ENDPOINTS = {
    "email": (r"[^@]+@[^@]+", "name@example.com"),
    "email-json": (r"[^@]+@[^@]+", "name@example.com"),
    "https": (r"https://.+", "https://..."),
    "sms": (r"\+\d+", "+819012345678"),
    "sqs": (r"arn:aws:sqs:.+", "arn:aws:sqs:..."),
    "lambda": (r"arn:aws:lambda:.+", "arn:aws:lambda:..."),
}
"""By protocol: the pattern of an endpoint and an example (SNS API reference, Subscribe)."""


class Subscription(BaseModel):
    """A subscriber of the alerts topic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    endpoint: str
    receives: Literal["everything", "pages", "heartbeat"] = "everything"
    """What to send: every alarm and event, the alarms that page (to a pager that rings at night), or only the
    heartbeat (to a dead man's switch, a service that reports when it hears nothing)."""

    @property
    def name(self) -> str:
        """Return a name that depends on the endpoint alone and does not reveal it."""
        digest = hashlib.sha256(f"{self.protocol}:{self.endpoint}".encode()).hexdigest()
        return f"{self.protocol}-{digest[:8]}"

    @property
    def fault(self) -> str | None:
        """Return why SNS would refuse the subscription, without its endpoint, or None."""
        if self.protocol not in ENDPOINTS:
            return f"there is no protocol {self.protocol!r}; {suggestion(self.protocol, list(ENDPOINTS))}"
        pattern, example = ENDPOINTS[self.protocol]
        if not re.fullmatch(pattern, self.endpoint):
            return f"an endpoint of {self.protocol} must be as {example}"
        return None


class MonitoringConfig(LayerConfig):
    """Thresholds, retention and subscriptions."""

    log_retention_days: LogRetentionDays = 365
    """Days that application logs and flow logs are kept."""

    subscriptions: Annotated[tuple[Subscription, ...], Structured] = ()
    """The subscribers: a list of protocol, endpoint and what it `receives`. Set it as a secret: `pulumi config set
    --secret`."""

    iterator_age_seconds: Annotated[int, Field(gt=0, le=6 * 3600)] = 60
    """Seconds that the consumer may be behind the stream until the alarm rings: half of the shortest age at which
    Lambda discards records, at most."""

    # RDS User Guide, "Managing capacity automatically with Amazon RDS storage autoscaling".
    free_storage_percent: Annotated[int, Field(ge=1, le=9)] = 5
    """Percentage of PostgreSQL's initial disk below which the alarm rings. RDS should have grown the disk at 10 %."""

    expects_traffic: bool = True
    """Whether 15 minutes without a transaction on the stream, or without a stored batch, raise an alarm."""

    mask_personal_data: bool = True
    """Mask card numbers and e-mail addresses in the logs of applications and databases."""

    routine_secret_readers: Annotated[tuple[IamPrincipals, ...], Structured] = ()
    """Who may read the secrets without a notification, besides the consumer: ends of IAM ARNs, `*` allowed."""

    monthly_budget_usd: NonNegativeInt = 1200
    """Monthly budget in USD: mail is sent when 80 % is spent or the forecast exceeds it; 0 for no budget."""

    @classmethod
    def load(cls) -> Self:
        """Load the settings as every layer does.

        Raises:
            pulumi.RunError: a setting is invalid, or `subscriptions` is in plain text.
        """
        config = super().load()
        if config.subscriptions and not is_secret(f"{pulumi.get_project()}:subscriptions"):
            raise refusal("subscriptions", f"addresses are secrets, and these are in plain text; use {SUBSCRIBE}")
        return config

    @model_validator(mode="after")
    def _subscriptions_are_valid(self) -> Self:
        """Check the subscriptions here: an error inside `Subscription` hides its reason, as the setting is secret."""
        seen: dict[str, int] = {}
        for number, each in enumerate(self.subscriptions):
            if each.fault:
                raise ValueError(f"subscriptions.{number}: {each.fault}")
            if each.name in seen:
                raise ValueError(f"subscriptions.{number} has the endpoint of subscriptions.{seen[each.name]}")
            seen[each.name] = number
        return self
