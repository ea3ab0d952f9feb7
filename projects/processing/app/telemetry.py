"""Writes metrics and log lines to standard output, a JSON object a line.

No line has content of a record, except what an operator writes into a query of the console: its field `sql`.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime

NAMESPACE = "TransactionMonitoring"


def emit(dimensions: Mapping[str, str], values: Mapping[str, float]) -> None:
    """Write metrics in CloudWatch's embedded metric format, which needs neither a call nor a right."""
    metrics = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name} for name in values],
    }
    embedded = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metrics]}
    _write({"_aws": embedded, **dimensions, **values})


def log(level: str, message: str, **fields: object) -> None:
    """Write a line of the log. Levels are those of Lambda: INFO, WARN, ERROR.

    Lambda takes a line's level only if the line has a timestamp (Lambda Developer Guide, "Log-level filtering").
    """
    _write(
        {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "message": message,
            **fields,
        }
    )


def _write(line: Mapping[str, object]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 (standard output is the function's log)
