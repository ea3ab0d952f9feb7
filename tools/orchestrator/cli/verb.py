"""What every verb has in common: its options' help, errors as one sentence, exit codes."""

import functools
import inspect
import logging
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task, task

from tools.orchestrator.engine import children
from tools.orchestrator.model.errors import OrchestratorError, VerbEnd, explain_os_error, explain_timeout

SHORT = {"env": "e", "yes": "y", "parallel": "p", "format": "f"}
"""The options that have a short form: the same in every verb, and none that writes or forces."""


class _Task(Task[Any]):
    """A task whose short options are chosen; invoke would give each option the first letter that is free."""

    def arg_opts(self, name: str, default: str, taken_names: set[str]) -> dict[str, Any]:
        options = super().arg_opts(name, default, taken_names)
        return options | {"names": [*options["names"], *([SHORT[name]] if name in SHORT else [])]}


@dataclass(frozen=True)
class Verb:
    """Decorates a product's verbs as invoke tasks; a verb's result is its exit code."""

    product: str
    help: Mapping[str, str]
    """Option -> its help, where that is the same in every verb."""
    work_folder: Path
    """Where the traceback of an error is kept that no code foresaw."""
    errors: tuple[type[Exception], ...] = ()
    """Errors shown as a sentence, besides `OrchestratorError` and errors of the operating system."""

    def __call__(self, *, positional: list[str] | None = None, **texts: str) -> Callable[[Callable[..., Any]], Any]:
        """Return the decorator; `texts` are the help of the options that differ from `help`."""

        def decorate(function: Callable[..., int | None]) -> Any:
            options = [name for name in inspect.signature(function).parameters if name != "_"]
            described = {name: texts.get(name) or self.help[name] for name in options}

            @functools.wraps(function)
            def run(context: Context, *args: Any, **kwargs: Any) -> None:
                code = self._exit_code(lambda: function(context, *args, **kwargs))
                if code:
                    raise Exit(code=code)

            return task(run, klass=_Task, help=described, positional=positional, auto_shortflags=False)

        return decorate

    def _exit_code(self, function: Callable[[], int | None]) -> int | None:
        sentences: tuple[type[Exception], ...] = (OrchestratorError, *self.errors)
        try:
            signal.signal(signal.SIGINT, children.Interruption())  # ./inv has set the default action
            self._log_to_stderr()
            return function()
        except sentences as error:
            raise Exit(f"{self.product}: {error}", code=1) from None
        except OSError as error:
            raise Exit(f"{self.product}: {explain_os_error(error)}", code=1) from None
        except subprocess.TimeoutExpired as error:
            raise Exit(f"{self.product}: {explain_timeout(error)}", code=1) from None
        except KeyboardInterrupt:
            raise Exit(f"{self.product}: interrupted", code=130) from None
        except VerbEnd as end:
            return end.exit_code
        except Exception as error:  # noqa: BLE001 (the last catch: a user never sees a traceback)
            raise Exit(f"{self.product}: {self._unforeseen(error)}", code=1) from None

    def _unforeseen(self, error: Exception) -> str:
        """Return the sentence for an error that no code foresaw, and keep its traceback, which shows no values."""
        log = self.work_folder / "traceback.log"
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch(0o600)
            log.write_text("".join(traceback.format_exception(error)), "utf-8")
        except OSError as unwritable:
            return f"{_one_line(error)}; its traceback cannot be written ({explain_os_error(unwritable)})"
        return f"{_one_line(error)}; this is a fault of {self.product}: report it with its traceback in {log}"

    def _log_to_stderr(self) -> None:
        """Print what the tools log as `txmon: …` on stderr."""
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(f"{self.product}: %(message)s"))
        logger = logging.getLogger("tools")
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)


def _one_line(error: Exception) -> str:
    """Return an error's type and message, as in `KeyError: 'checkpoint'`, cut to 200 characters."""
    return " ".join("".join(traceback.format_exception_only(error)).split())[:200]
