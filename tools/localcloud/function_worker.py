"""Runs the handler of a function as Lambda's Python runtime does. MiniStack gets this text as its script.

The script sees the code of the function, the standard library and `RUNTIME`, and of the environment what Lambda and
the function's configuration set. MiniStack's own script shows functions all packages of the emulator, and ends with
each exception. MiniStack writes and reads a line of JSON a message: how to start, and then the invocations.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import sysconfig
import threading
import time
import traceback
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, TextIO

RUNTIME = frozenset({"boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"})
"""The packages in Lambda's runtime ("Runtime dependencies in Python", Lambda Developer Guide)."""
INHERITED = frozenset({"LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PGSSLROOTCERT", "SSL_CERT_FILE", "TMPDIR", "TZ"})
SET_BY_LAMBDA = ("AWS_", "LAMBDA_", "_LAMBDA_", "_X_AMZN_")
PARENT_SECONDS = 0.5
FAILED = "__failed__"
"""Marks the answer of a function that raised, for the adapter: MiniStack ends a script that says that it failed."""


class Runtime:
    """Finds the packages of `RUNTIME` among those of the emulator."""

    def __init__(self, folders: list[str]) -> None:
        self.folders = folders

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return PathFinder.find_spec(name, self.folders, target) if path is None and name in RUNTIME else None


class Context:
    """What a handler gets beside the event."""

    def __init__(self, init: dict[str, Any], call: dict[str, Any]) -> None:
        self.function_name = init["function_name"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = str(init["memory"])
        self.invoked_function_arn = call["invoked_function_arn"]
        self.aws_request_id = call["request_id"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = self.client_context = None
        self._end = time.monotonic() + call["timeout_ms"] / 1000

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._end - time.monotonic()) * 1000))


class Lines(logging.Formatter):
    """Formats what a function logs, as JSON if its configuration says so."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"
    request_id = ""

    def format(self, record: logging.LogRecord) -> str:
        at = self.formatTime(record)
        if os.environ["AWS_LAMBDA_LOG_FORMAT"] != "JSON":
            return f"[{record.levelname}]\t{at}\t{self.request_id}\t{super().format(record)}"
        said = {"timestamp": at, "level": record.levelname, "message": record.getMessage(), "logger": record.name}
        if record.exc_info and record.exc_info[1]:
            said |= failure(record.exc_info[1])
        return json.dumps(said | {"requestId": self.request_id})


def failure(error: BaseException) -> dict[str, Any]:
    """Return an exception as Lambda answers it."""
    trace = traceback.format_list(traceback.extract_tb(error.__traceback__))
    return {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": trace}


def isolate(init: dict[str, Any]) -> None:
    """Hide the emulator's packages and settings."""
    standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    standard |= {f"{folder}/lib-dynload" for folder in standard}
    others = [folder for folder in sys.path if folder not in standard and not folder.endswith(".zip")]
    sys.path[:] = [init["code_dir"], *(folder for folder in sys.path if folder not in others)]
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, PathFinder, Runtime(others)]
    known = INHERITED | init["env"].keys()
    for name in [name for name in os.environ if name not in known and not name.startswith(SET_BY_LAMBDA)]:
        del os.environ[name]
    os.environ.update(init["env"])


def end_with_parent() -> None:
    """End this process, whatever the handler does, when the emulator has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def prepare_logging() -> Lines:
    """Have the root logger write as Lambda's does."""
    lines, handler = Lines("%(message)s"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    level = os.environ["AWS_LAMBDA_LOG_LEVEL"] if os.environ["AWS_LAMBDA_LOG_FORMAT"] == "JSON" else "WARNING"
    logging.basicConfig(handlers=[handler], level=logging.getLevelNamesMapping().get(level, logging.DEBUG))
    return lines


def answer(handler: Any, event: Any, context: Context) -> str:
    """Return the result of a handler in JSON, or its failure, which is logged."""
    try:
        return json.dumps({"status": "ok", "result": handler(event, context)})
    except Exception as error:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # from the handler on
        logging.exception(type(error).__name__)  # noqa: LOG015 - the logger that Lambda has
        return json.dumps({"status": "ok", "result": failure(error) | {FAILED: True}})


def serve(source: TextIO, target: TextIO) -> None:
    """Start a function and answer its invocations until the emulator ends."""
    init = json.loads(source.readline())
    isolate(init)
    lines = prepare_logging()
    try:
        module = importlib.import_module(init["module"])
        handler = getattr(module, init["handler"])
    except BaseException as error:  # noqa: BLE001 - whatever a module does
        traceback.print_exc()
        print(json.dumps({"status": "error", "error": f"{type(error).__name__}: {error}"}), file=target, flush=True)
        return
    print(json.dumps({"status": "ready", "cold": True}), file=target, flush=True)
    for line in source:
        message = json.loads(line)
        context = Context(init, message["ctx"])
        lines.request_id = context.aws_request_id
        print(answer(handler, message["event"], context), file=target, flush=True)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a function prints is its log
    sys.stdout = sys.stderr
    end_with_parent()
    serve(sys.stdin, answers)
