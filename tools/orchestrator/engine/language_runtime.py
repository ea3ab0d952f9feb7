"""One layer's program as a language runtime that the engine connects to, in a process of its own.

It runs the program as Pulumi's `pulumi-language-python-exec` does, and sends output and errors to the engine's log.
All that the orchestrator needs of the SDK's internals is here;
tests/tools/orchestrator/engine/test_language_runtime.py has a test for each assumption.
"""

import asyncio
import io
import os
import runpy
import sys
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.metadata import version
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

import grpc
import pulumi
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import LanguageRuntimeServicer, engine_pb2, language_pb2, language_pb2_grpc, plugin_pb2
from pulumi.runtime.settings import get_engine

TICKS = 50
"""Turns of the event loop after which every resource without a dependency has been requested."""


class Language(LanguageRuntimeServicer):
    """The runtime of the program in `folder`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._failed = False

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (gRPC's names)
        return plugin_pb2.PluginInfo(version=version("pulumi"))

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (gRPC's names)
        aws = plugin_pb2.PackageDependency(name="aws", kind="resource", version=f"v{version('pulumi-aws')}")
        return language_pb2.GetRequiredPackagesResponse(packages=[aws])

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (gRPC's names)
        return Empty()  # the engine answers the program's next request with an error

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (gRPC's names)
        # In a thread of its own, since every resource's state keeps the stack that it was made in.
        program = Thread(target=self._run, args=(request,))
        program.start()
        program.join()
        return language_pb2.RunResponse(bail=self._failed)

    def _run(self, request: Any) -> None:
        pulumi.runtime.configure(_settings(request))
        pulumi.runtime.set_all_config(dict(request.config), list(request.configSecretKeys))
        self._failed = True
        try:
            with quiet_runner(request.parallel) as runner:
                runner.run(pulumi.runtime.run_in_stack(self._program))
        except pulumi.RunError as error:
            pulumi.log.error(str(error))
        except BaseException:  # noqa: BLE001 (exit() ends a program, too)
            pulumi.log.error(traceback.format_exc())
        else:
            self._failed = False

    async def _program(self) -> None:
        runpy.run_path(self._folder, run_name="__main__")
        # Let the program's calls begin. Otherwise the SDK finds no call to wait for yet and waits for thousands of
        # outputs, all of them again after each: half of the time of a large layer.
        for _ in range(TICKS):
            await asyncio.sleep(0)


@contextmanager
def quiet_runner(parallel: int) -> Iterator[asyncio.Runner]:
    """Yield an event loop that ends silently: calls still under way fail because the program has ended."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(ThreadPoolExecutor(max(parallel, 1)))
        try:
            yield runner
        finally:
            runner.get_loop().set_exception_handler(lambda *_: None)


def _settings(request: Any) -> pulumi.runtime.Settings:
    settings = pulumi.runtime.Settings(
        project=request.project,
        stack=request.stack,
        monitor=request.monitor_address,
        engine=next(iter(request.args), ""),
        parallel=request.parallel,
        dry_run=request.dryRun,
        organization=request.organization,
    )
    # The SDK sends four debug messages for every resource; each takes as long as registering the resource.
    engine: Any = settings.engine
    log = engine.Log
    engine.Log = lambda message: Empty() if message.severity == engine_pb2.DEBUG else log(message)
    return settings


class Printed(io.TextIOBase):
    """Sends each line that a program prints to the engine, which shows it with the layer's diagnostics."""

    def __init__(self) -> None:
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        engine = get_engine()
        if engine:
            for line in filter(None, lines):
                engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line))
        return len(text)


def serve(folder: str, environment: Mapping[str, str], caller: Connection) -> None:
    """Serve the program in `folder` until the caller closes its end of the connection; send the port first."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.stdout = sys.stderr = Printed()
    server = grpc.server(ThreadPoolExecutor())
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Language(folder), server)
    caller.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    with suppress(EOFError):
        caller.recv()
    os._exit(0)  # the engine is gone, so the program may go too
