"""What every verb has in common: errors as one sentence, exit codes, and where results are printed."""

import functools
import logging
import signal
import sys
from collections.abc import Callable
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task
from rich.console import Console
from rich.table import Table

from tools.engine.install import EngineError
from tools.orchestrator.cli.commands import Terminal
from tools.orchestrator.cli.options import path_argument, require_writable
from tools.orchestrator.engine.errors import explain_os_error
from tools.orchestrator.model.errors import OrchestratorError, VerbEnd

WIDE = 200
"""Columns of a table that is not printed on a terminal, so that no value is broken over lines."""


def verb(product: str, *errors: type[Exception]) -> Callable[..., Any]:
    """Return the decorator of a product's verbs: a task whose errors are sentences and whose result is the exit code.

    Instances of `errors` are shown as sentences too.
    """
    sentences: tuple[type[Exception], ...] = (OrchestratorError, EngineError, *errors)

    def decorator(**options: Any) -> Callable[[Callable[..., int | None]], Any]:
        def decorate(function: Callable[..., int | None]) -> Any:
            @functools.wraps(function)
            def run(context: Context, *args: Any, **kwargs: Any) -> None:
                code = _exit_code(product, sentences, lambda: function(context, *args, **kwargs))
                if code:
                    raise Exit(code=code)

            return task(run, **options)

        return decorate

    return decorator


def _exit_code(
    product: str, sentences: tuple[type[Exception], ...], function: Callable[[], int | None]
) -> int | None:
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ./inv has set the default action
        _log_to_stderr(product)
        return function()
    except sentences as error:
        raise Exit(f"{product}: {error}", code=1) from None
    except OSError as error:
        raise Exit(f"{product}: {explain_os_error(error)}", code=1) from None
    except KeyboardInterrupt:
        raise Exit(f"{product}: interrupted", code=130) from None
    except VerbEnd as end:
        return end.exit_code


def _log_to_stderr(product: str) -> None:
    """Print what the tools log as `txmon: …` on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(f"{product}: %(message)s"))
    logger = logging.getLogger("tools")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)


def console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDE
    # The text comes from AWS and from code: no word of it is markup, an emoji or a number to colour.
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def terminal(*, stderr: bool = False, report: str | None = None) -> Terminal:
    """Return the terminal; check that a report's folder can be written.

    Raises:
        OrchestratorError: it cannot.
    """
    folder = None if report is None else require_writable(path_argument(report) / "report.html").parent
    return Terminal(console(stderr=stderr), folder)


def show(format: str, **formats: Callable[[], Table | str]) -> None:  # noqa: A002 (the option's name)
    """Print a result in the chosen format: text as it is, a table as wide as it needs.

    Raises:
        OrchestratorError: there is no such format.
    """
    if format not in formats:
        raise OrchestratorError(f"there is no format {format!r}; there are: {', '.join(formats)}")
    result = formats[format]()
    if isinstance(result, str):
        print(result)  # noqa: T201 (the verb's result)
    else:
        console().print(result)
