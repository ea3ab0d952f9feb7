"""Alarms on the function that reads the stream, and on what it does with transactions.

Metrics of Lambda: Lambda Developer Guide, "Types of metrics for Lambda functions". The consumer writes the others in
its log as embedded metrics, one line a batch.
"""

from pulumi import Output

from projects.monitoring.alarms.model import (
    FIVE_MINUTES,
    FIVE_OF_FIVE,
    ONCE,
    QUARTER_HOUR,
    Alarm,
    Metric,
    above,
    below,
)
from projects.monitoring.config import MonitoringConfig
from shared.contracts import ProcessingContract
from shared.stack import StackContext

NAMESPACE = "TransactionMonitoring"

RULES = ("amount", "velocity", "repeat")
"""The rules on transactions, which processing's setting `rules` configures."""

MORE_TIME = (
    "Double retentionHours in streaming, and deploy streaming, then processing: Lambda then keeps trying for twice as"
    " long, up to a week. Records that it discards meanwhile stay in the stream: './inv dead-letters --replay' stores"
    " them."
)
"""How to gain time before Lambda discards records, whose age limit follows the stream's retention."""


def critical_lag_seconds(processing: ProcessingContract) -> Output[int]:
    """Return four fifths of the age at which Lambda discards records: late enough to be rare, and time to act."""
    return processing.record_age_seconds.apply(lambda age: age * 4 // 5)


def processing_alarms(stack: StackContext, config: MonitoringConfig, processing: ProcessingContract) -> list[Alarm]:
    """Describe the alarms on the function, then those on transactions."""
    return [*_function_alarms(config, processing), *_transaction_alarms(stack, config, processing)]


def _function_alarms(config: MonitoringConfig, processing: ProcessingContract) -> list[Alarm]:
    def metric(name: str, statistic: str = "Sum") -> Metric:
        return Metric("AWS/Lambda", name, {"FunctionName": processing.consumer_function_name}, statistic)

    return [
        Alarm(
            "function-errors",
            metric("Errors"),
            above(0, ONCE, seconds=FIVE_MINUTES),
            "The consumer crashed or timed out, which neither a bad transaction nor an outage of a store makes it do."
            " Read its errors with the saved query 'errors'; the record that it cannot survive holds up its shard for"
            " a quarter of an hour of calls at most, and in Lambda's pauses between them. Then its name is in the"
            " dead-letter queue.",
        ),
        Alarm(
            "function-throttled",
            metric("Throttles"),
            above(0),
            "Lambda does not start the consumer: the account's or the function's concurrency is used up. Reserve"
            " concurrency for it, or find who uses the rest.",
        ),
        Alarm(
            "function-iterator-age",
            # The stream's own metrics do not cover enhanced fan-out; this one does.
            metric("IteratorAge", "Maximum"),
            above(config.iterator_age_seconds * 1000, FIVE_OF_FIVE, missing="missing"),
            "The function is behind the stream. Look at its errors; then at PostgreSQL and Redis, on which it waits.",
            audience="consumer",
        ),
        Alarm(
            "function-dead-letters-refused",
            metric("DestinationDeliveryFailures"),
            above(0, ONCE),
            "A batch failed for good and could not be put aside either: it is lost at the stream's retention. Look at"
            " the consumer's rights on the dead-letter queue and on the telemetry key.",
            audience="pager",
        ),
    ]


def _transaction_alarms(stack: StackContext, config: MonitoringConfig, processing: ProcessingContract) -> list[Alarm]:
    def metric(name: str, statistic: str = "Sum") -> Metric:
        return Metric(NAMESPACE, name, {"Environment": stack.suffix}, statistic)

    table = [
        Alarm(
            "transactions-rejected",
            metric("Rejected"),
            above(0, ONCE, seconds=FIVE_MINUTES),
            "A producer sends what is no transaction. './inv rejected' shows the reasons; mend the producer, then the"
            " records, and replay them.",
        ),
        Alarm(
            "transactions-conflicting",
            metric("Conflicting"),
            above(0, ONCE, seconds=FIVE_MINUTES),
            "A producer sends another transaction under an id that is taken. The first stays; './inv rejected' shows"
            " the other. Give it an id of its own and replay it.",
        ),
        Alarm(
            "store-away",
            # While the function waits, Lambda reports no age of the stream's records.
            metric("Waiting", "Maximum"),
            above(config.iterator_age_seconds),
            "The consumer waits for PostgreSQL or Redis and is behind the stream. Its log says which; look at that"
            " store's alarms.",
            audience="consumer",
        ),
        Alarm(
            "store-away-critical",
            metric("Waiting", "Maximum"),
            above(critical_lag_seconds(processing)),
            "The consumer has waited for a store for four fifths of the time after which Lambda discards records."
            f" {MORE_TIME} Then bring the store back.",
            audience="pager",
        ),
    ]
    table += [
        Alarm(
            f"findings-{rule}",
            Metric(NAMESPACE, "Findings", {"Environment": stack.suffix, "Rule": rule}, "Sum"),
            above(0, ONCE, seconds=FIVE_MINUTES),
            f"Transactions break the rule '{rule}'. './inv findings' shows them; the rule is in processing's setting"
            " rules.",
        )
        for rule in RULES
    ]
    if config.expects_traffic:
        silent = Alarm(
            "processing-silent",
            metric("Stored", "SampleCount"),
            below(1, QUARTER_HOUR, missing="breaching"),
            "The consumer has finished no batch for a quarter of an hour, and then no error is heard of either. Look"
            " whether transactions come in, then at the event source mapping's state and the function's errors.",
        )
        table.append(silent)
    return table
