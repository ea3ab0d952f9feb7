"""The layers' programs, forked from one process that has the SDK loaded.

The engine alone starts a language host, a `pip list` and a Python for every layer, which is more than half of what a
layer without changes costs. Here it is told where a language runtime listens already (`--client`), as Pulumi's
Automation API does for inline programs. Each program still has a process of its own.
"""

import multiprocessing
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection

from shared.errors import TxmonError

SDK = "tools.orchestrator.engine.language_runtime"
LAYERS = "tools.orchestrator.engine.preload"

_CONTEXT = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Runtime:
    """A language runtime that waits for one engine."""

    address: str
    held: int
    """The file whose closing ends it: the engine keeps it open, so that both outlive a killed runner."""


def warm(*, layers: bool) -> None:
    """Start the process to fork from, which loads the SDK and, if several programs will run, their modules."""
    forkserver.set_forkserver_preload([LAYERS, SDK] if layers else [SDK])
    resource_tracker.ensure_running()  # the fork server starts it too, and then lifts a mask as the one below
    # Ctrl-C is for the runner, which asks the engines to end, and they their programs; what is forked keeps the mask.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def serving(folder: str, environment: Mapping[str, str]) -> Iterator[Runtime]:
    """A runtime for the program in `folder`, which sees `environment`; it ends when nobody holds it any more.

    Raises:
        TxmonError: it does not start.
    """
    ours, theirs = _CONTEXT.Pipe()
    with ours:
        try:
            with theirs:
                _CONTEXT.Process(target=_serve, args=(folder, dict(environment), theirs), daemon=True).start()
            port = ours.recv()
        except EOFError:
            raise TxmonError("no program starts in this .venv: remove the folder and run this again") from None
        yield Runtime(f"127.0.0.1:{port}", ours.fileno())


def _serve(folder: str, environment: Mapping[str, str], caller: Connection) -> None:
    from tools.orchestrator.engine import language_runtime  # noqa: PLC0415 (imports the SDK, which only the forked process needs)

    language_runtime.serve(folder, environment, caller)
