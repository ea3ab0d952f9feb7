"""Alarms on the Lambda function that reads the stream (metrics: Lambda Developer Guide)."""

from projects.monitoring.alarms.model import FIVE_OF_FIVE, ONCE, Alarm, Expression, Metric, above
from projects.monitoring.config import MonitoringConfig


def consumer_alarms(config: MonitoringConfig) -> list[Alarm]:
    """Describe the alarms on the function, or none if `consumerFunction` is not set. Errors include time-outs."""
    if config.consumer_function is None:
        return []
    dimensions = {"FunctionName": config.consumer_function}

    def metric(name: str, statistic: str = "Sum") -> Metric:
        return Metric("AWS/Lambda", name, dimensions, statistic)

    return [
        Alarm(
            "function-errors",
            Expression(
                "100 * errors / invocations", {"errors": metric("Errors"), "invocations": metric("Invocations")}
            ),
            above(1),
            "Over one per cent of the consumer's invocations fail. Read its errors with the saved query 'errors';"
            " one record that cannot be processed holds up its whole shard.",
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
            pages=True,
        ),
        Alarm(
            "function-dead-letters-refused",
            metric("DestinationDeliveryFailures"),
            above(0, ONCE),
            "A batch failed for good and could not be put aside either: it is lost at the stream's retention. Look at"
            " the consumer's rights on the dead-letter queue and on the telemetry key.",
            pages=True,
        ),
    ]
