"""One layer's program as a language runtime that the engine connects to; runs in a process of its own."""

import io
import os
import runpy
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import Any

import grpc
from pulumi.automation._server import LanguageServer  # Pulumi's own; the public door to it starts an engine as well
from pulumi.runtime.proto import engine_pb2, language_pb2, language_pb2_grpc, plugin_pb2
from pulumi.runtime.settings import get_engine


class Language(LanguageServer):
    """The runtime of inline programs, which also tells which plugin they need, and each error only once."""

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (gRPC's name and arguments)
        aws = plugin_pb2.PackageDependency(name="aws", kind="resource", version=f"v{version('pulumi-aws')}")
        return language_pb2.GetRequiredPackagesResponse(packages=[aws])

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        failed = super().Run(request, context).error  # it has told the engine what
        return language_pb2.RunResponse(bail=bool(failed))


class Printed(io.TextIOBase):
    """Hands each line that a program prints to the engine, which shows it with the layer's diagnostics."""

    def __init__(self) -> None:
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        engine = get_engine()
        if engine:
            for line in filter(None, lines):
                engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line))
        return len(text)


def _run(folder: str) -> None:
    runpy.run_path(folder, run_name="__main__")


def serve(folder: str, environment: Mapping[str, str], caller: Connection) -> None:
    """Serve the program in `folder` until the caller's end of the connection is closed; sends the port first."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.stdout = sys.stderr = Printed()
    server = grpc.server(ThreadPoolExecutor())
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Language(lambda: _run(folder)), server)
    caller.send(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    with suppress(EOFError):
        caller.recv()
    os._exit(0)  # a program whose engine is gone has nobody to talk to
