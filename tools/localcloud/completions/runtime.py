"""Has MiniStack run functions more as Lambda does: see `function_worker`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.localcloud import function_worker
from tools.localcloud.completions import metrics
from tools.localcloud.completions.call import ministack


def install() -> None:
    """Put this module's functions in the place of MiniStack's."""
    functions, workers = ministack("services.lambda_svc"), ministack("core.lambda_runtime")
    workers._PYTHON_WORKER_SCRIPT = Path(function_worker.__file__).read_text(encoding="utf-8")
    functions._LAMBDA_STATE_TRANSITION_DELAY = 0  # nothing is waited for
    execute, issue, emit = (
        functions._execute_function_warm,
        workers.execution_credentials,
        functions._emit_lambda_logs,
    )

    def run(function: dict[str, Any], event: Any, request: str) -> dict[str, Any]:
        result: dict[str, Any] = execute(function, event, request)
        body = result.get("body")
        failed = isinstance(body, dict) and body.pop(function_worker.FAILED, False)
        return result | {"error": True, "function_error": "Unhandled"} if failed else result

    def environment(config: dict[str, Any]) -> dict[str, str]:
        """Return the credentials of a function, which MiniStack puts into its environment, and how it logs."""
        issued: dict[str, str] = issue(config)
        return issued | logging_of(config)

    def note(function: dict[str, Any], request: str, text: str, *others: Any, **more: Any) -> None:
        emit(function, request, text, *others, **more)
        lines = (text or "").splitlines()
        for line in lines:
            metrics.embedded(line)
        metrics.filtered(logging_of(function["config"])["AWS_LAMBDA_LOG_GROUP_NAME"], lines)

    functions._execute_function_warm, functions._emit_lambda_logs = run, note
    workers.execution_credentials = environment


def logging_of(config: dict[str, Any]) -> dict[str, str]:
    """Return the variables that tell a function how to log."""
    logging = config.get("LoggingConfig") or {}
    return {
        "AWS_LAMBDA_LOG_FORMAT": logging.get("LogFormat", "Text"),
        "AWS_LAMBDA_LOG_LEVEL": logging.get("ApplicationLogLevel", "INFO"),
        "AWS_LAMBDA_LOG_GROUP_NAME": logging.get("LogGroup") or f"/aws/lambda/{config['FunctionName']}",
    }
