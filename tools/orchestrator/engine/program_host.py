"""The layers' programs, forked from one process that has the SDK loaded.

The engine alone starts a language host, a `pip list` and a Python for every layer, which is more than half of the
cost of a layer without changes. Here it gets the address of a running language runtime (`--client`), as Pulumi's
Automation API does for inline programs. Each program still runs in a process of its own.
"""

import multiprocessing
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import psutil

from tools.orchestrator.engine import children
from tools.orchestrator.model.errors import OrchestratorError

RUNTIME_MODULE = "tools.orchestrator.engine.language_runtime"

_CONTEXT = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Runtime:
    """A language runtime that waits for one engine."""

    address: str
    inherited_fd: int
    """Closing it ends the runtime. The engine keeps it open, so that both outlive a killed orchestrator."""


def start(preload_module: str | None = None) -> None:
    """Start the process to fork from. It loads the SDK, and `preload_module` if several programs will run."""
    forkserver.set_forkserver_preload([preload_module, RUNTIME_MODULE] if preload_module else [RUNTIME_MODULE])
    resource_tracker.ensure_running()  # the fork server starts it too, and would then lift the mask below
    # Ctrl-C reaches the orchestrator, which asks the engines to end, and they their programs; forks keep the mask.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def serve(
    folder: str, environment: Mapping[str, str], *, seconds: float = children.START_SECONDS
) -> Iterator[Runtime]:
    """Yield a runtime for the program in `folder`, which sees `environment`. It ends after its last holder has ended.

    Raises:
        OrchestratorError: it does not start.
    """
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_serve, args=(folder, dict(environment), theirs), daemon=True)
    try:
        with ours:
            try:
                with children.time_limit(lambda: _kill(process), seconds):
                    with theirs:
                        process.start()
                    port = ours.recv()
            except (EOFError, OSError):
                raise OrchestratorError(
                    f"no program starts in this .venv within {seconds} s: end what else needs the "
                    "machine's memory or remove .venv, and run this again"
                ) from None
            yield Runtime(f"127.0.0.1:{port}", ours.fileno())
    finally:
        _end(process)


def _kill(process: ForkServerProcess) -> None:
    """Kill a program and the process that it was forked from; other programs go on."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended
            if "multiprocessing.forkserver" in " ".join(child.cmdline()):
                child.kill()
    if process.pid:
        process.kill()


def _end(process: ForkServerProcess) -> None:
    """Wait until a program has ended, as it does when nobody holds it; kill it if it is stopped.

    Whether it has ended is known through the process that it was forked from, which may be stopped, too.
    """
    if process.pid:
        process.join(children.KILL_SECONDS)
        if process.is_alive():
            _kill(process)
            process.join(children.KILL_SECONDS)


def _serve(folder: str, environment: Mapping[str, str], caller: Connection) -> None:
    from tools.orchestrator.engine import language_runtime  # noqa: PLC0415 (only the forked process needs the SDK)

    language_runtime.serve(folder, environment, caller)
