"""What the monitoring layer can be told."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, StringConstraints, model_validator

from shared.config import LayerConfig, LogRetentionDays, Structured


class Subscription(BaseModel):
    """Somebody who is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["email", "email-json", "https", "sms", "sqs", "lambda"]
    endpoint: Annotated[str, StringConstraints(min_length=3)]
    paging: bool = False
    """Only the composite alarm: for what rings at night."""

    @model_validator(mode="after")
    def _endpoint_of_the_protocol(self) -> Self:
        if self.protocol in {"sqs", "lambda"}:
            begins = f"arn:aws:{self.protocol}:"
        else:
            begins = {"https": "https://", "sms": "+"}.get(self.protocol, "")
        if not self.endpoint.startswith(begins) or (self.protocol.startswith("email") and "@" not in self.endpoint):
            raise ValueError(
                f"an endpoint of {self.protocol} must {f'begin with {begins}' if begins else 'have an @'}"
            )
        return self


class MonitoringConfig(LayerConfig):
    """Thresholds, retention and who is told."""

    log_retention_days: LogRetentionDays = 365
    """Days that application logs and flow logs are kept."""

    subscriptions: Annotated[tuple[Subscription, ...], Structured] = ()
    """Who is told: a list of protocol, endpoint and paging. Set it with `pulumi config set --secret`."""

    iterator_age_seconds: PositiveInt = 60
    """How far the consumer may fall behind the stream before the alarm."""

    free_storage_percent: Annotated[int, Field(ge=5, le=50)] = 15
    """The part of PostgreSQL's first disk that must stay free; RDS grows the disk at 10 %."""

    expects_traffic: bool = True
    """Whether a quarter of an hour without a transaction is an alarm."""

    mask_personal_data: bool = True
    """Mask card numbers and e-mail addresses in the application logs."""

    routine_secret_readers: Annotated[tuple[str, ...], Structured] = ("role/txmon-deploy-*",)
    """Who reads the secrets as a matter of course beside the consumer, as the end of an IAM ARN with `*`."""

    monthly_budget_usd: NonNegativeInt = 1200
    """What the system may cost a month before mail goes to the e-mail subscriptions; 0 for no budget."""
