"""The settings of the processing layer."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from projects.processing.retries import MOST_ATTEMPTS, retry_attempts
from shared.config import LayerConfig, LogRetentionDays, Structured

Seconds = Annotated[int, Field(ge=1, le=86_400)]
"""A rule looks back for a day at most: every transaction is compared with those of its customer in that time."""


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Velocity(_Rule):
    """Finds many transactions of a customer within some seconds."""

    transactions: Annotated[int, Field(ge=2, le=10_000)]
    seconds: Seconds


class Repeat(_Rule):
    """Finds a second charge of a customer by the same merchant, of the same amount, within some seconds."""

    seconds: Seconds


class Rules(_Rule):
    """The rules on transactions; one that is not given finds nothing."""

    amount: dict[Annotated[str, Field(pattern="^[A-Z]{3}$")], Annotated[Decimal, Field(gt=0, lt=10**13)]] = {}
    """By currency: the amount above which a transaction is found."""

    velocity: Velocity | None = None

    repeat: Repeat | None = None


class ProcessingConfig(LayerConfig):
    """Size of the functions, and how long a batch is tried again.

    A batch that fails is tried again while its shard waits, so the attempts must last for an outage of PostgreSQL or
    Redis, and be used up soon by a record that the code cannot survive. What tells them apart is time:

    - In an outage an invocation waits for 780 of its 900 seconds, then asks for another attempt. A record is
      discarded at half the stream's retention. In production that is 84 hours, or 302,400 s / 780 s = 388 attempts.
    - A record that crashes the code fails at once. Lambda bisects its batch of 500 in 9 calls and tries the record
      alone 1 + 388 times: 398 calls, which may take 2.2 s each in a quarter of an hour.
    - A record that hangs is made a crash by a deadline: 0.04 s a record, and what is left of the quarter of an hour.
      In production that is (900 s - 56 s) / 398 calls = 2 s. In development, with a day of retention and 56 attempts,
      it is 12 s.

    A record that is only wrong never comes here: the consumer stores it in the table of rejected records.
    """

    memory_mib: Annotated[int, Field(ge=256, le=10240)] = 1024
    """Memory of the consumer in MiB, with CPU in proportion (1769 is one vCPU). A crashed one starts in a second."""

    maximum_retry_attempts: Annotated[int, Field(ge=0, le=MOST_ATTEMPTS)] | None = None
    """Attempts for a failed batch, to give up earlier than at half the stream's retention."""

    reserved_concurrency: Annotated[int, Field(ge=1)] | None = None
    """Concurrent executions reserved for the consumer; it uses one a shard. AWS refuses any to a new account."""

    rules: Annotated[Rules, Structured] = Rules()
    """Rules on transactions: `amount` by currency, `velocity` and `repeat`. What they find is in `./inv findings`."""

    operator_access: bool = False
    """Whether `./inv sql` can read PostgreSQL, through a function of its own that logs every query."""

    log_retention_days: LogRetentionDays = 365
    """Days that the functions' logs are kept."""

    def attempts(self, retention_hours: int) -> int:
        """Return the attempts for a failed batch of a stream with this retention."""
        needed = retry_attempts(retention_hours)
        return needed if self.maximum_retry_attempts is None else min(needed, self.maximum_retry_attempts)
