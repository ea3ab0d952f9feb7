"""What the language runtime assumes about Pulumi's SDK and protocol. A failure here means that they have changed."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pulumi
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import (
    LanguageRuntimeServicer,
    engine_pb2,
    engine_pb2_grpc,
    language_pb2,
    resource_pb2,
    resource_pb2_grpc,
)

from tools.orchestrator.engine.language_runtime import Language, Printed, quiet_runner


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """The engine's resource monitor; it answers a registration after `answer` is set."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.outputs: dict[str, Any] = {}
        self.answer = threading.Event()
        self.answer.set()

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (gRPC's names)
        return resource_pb2.DeploymentInfo()

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (gRPC's names)
        self.requests.append(request)
        assert self.answer.wait(20)
        return resource_pb2.RegisterResourceResponse(urn=f"urn:pulumi:dev::shop::{request.type}::{request.name}")

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (gRPC's names)
        self.outputs.update(request.outputs)
        return Empty()

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (gRPC's names)
        return Empty()


class Engine(engine_pb2_grpc.EngineServicer):
    """The engine's log."""

    def __init__(self) -> None:
        self.log: list[tuple[int, str]] = []

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (gRPC's names)
        self.log.append((request.severity, request.message))
        return Empty()

    def messages(self, severity: int) -> list[str]:
        return [message for found, message in self.log if found == severity]


class Host:
    """Runs programs as the engine does, against a monitor and a log of its own."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address
        self.monitor, self.engine = Monitor(), Engine()

    def run(self, program: str, **request: Any) -> Any:
        """Run a program, as `__main__.py` of a project `shop` in the stack `dev`, and return the answer."""
        (self.folder / "__main__.py").write_text(f"import pulumi\n{program}\n")
        facts = {"project": "shop", "stack": "dev", "organization": "organization", "parallel": 4} | request
        addresses = {"monitor_address": self.address, "args": [self.address]}
        return Language(str(self.folder)).Run(language_pb2.RunRequest(**facts, **addresses), None)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    server = grpc.server(ThreadPoolExecutor())
    found = Host(tmp_path, f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(found.monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(found.engine, server)
    server.start()
    yield found
    server.stop(grace=None)


@pytest.mark.parametrize("method", ["GetPluginInfo", "GetRequiredPackages", "Cancel", "Run"])
def test_the_protocol_has_each_method_that_the_runtime_answers(method: str) -> None:
    assert method in vars(Language)
    assert method in vars(LanguageRuntimeServicer)


def test_a_program_runs_in_a_stack_resource_and_exports_its_outputs(host: Host) -> None:
    assert not host.run("pulumi.export('name', 'logs')").bail
    assert [(request.type, request.name) for request in host.monitor.requests] == [
        ("pulumi:pulumi:Stack", "shop-dev")
    ]
    assert host.monitor.outputs == {"name": "logs"}


def test_a_program_sees_its_stack_and_whether_it_is_a_preview(host: Host) -> None:
    facts = "[pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack(), pulumi.runtime.is_dry_run()]"
    assert not host.run(f"pulumi.export('facts', {facts})", dryRun=True).bail
    assert list(host.monitor.outputs["facts"]) == ["organization", "shop", "dev", True]


def test_a_program_sees_its_settings_and_the_secret_ones_are_secret(host: Host) -> None:
    tell = "pulumi.runtime.is_config_secret"
    facts = f"[pulumi.Config().get('size'), {tell}('shop:size'), {tell}('shop:key')]"
    settings = {"shop:size": "3", "shop:key": "abc"}
    assert not host.run(f"pulumi.export('facts', {facts})", config=settings, configSecretKeys=["shop:key"]).bail
    assert list(host.monitor.outputs["facts"]) == ["3", False, True]


def test_printed_lines_reach_the_engine_of_the_program_only(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    Printed().write("outside of a program\n")
    write = "from tools.orchestrator.engine.language_runtime import Printed; write = Printed().write"
    assert not host.run(f"{write}\nwrite('one\\ntw'); write('o\\n\\n')").bail
    assert host.engine.messages(engine_pb2.INFO) == ["one", "two"]
    assert capsys.readouterr() == ("", "")


def test_the_sdks_debug_messages_are_not_sent(host: Host) -> None:
    assert not host.run("pulumi.log.debug('hidden'); pulumi.log.info('shown')").bail
    assert host.engine.log == [(engine_pb2.INFO, "shown")]


def test_a_run_error_fails_the_program_with_its_sentence(host: Host) -> None:
    assert host.run("raise pulumi.RunError('size is not a number')").bail
    assert host.engine.messages(engine_pb2.ERROR) == ["size is not a number"]


@pytest.mark.parametrize(
    ("failure", "last"), [("1 / 0", "ZeroDivisionError: division by zero"), ("exit(3)", "SystemExit: 3")]
)
def test_any_other_end_fails_the_program_with_its_traceback(host: Host, failure: str, last: str) -> None:
    assert host.run(failure).bail
    [message] = host.engine.messages(engine_pb2.ERROR)
    assert message.startswith("Traceback (most recent call last):")
    assert message.strip().endswith(last)


def test_programs_of_one_process_do_not_share_a_stack(host: Host, tmp_path: Path) -> None:
    assert not host.run("pulumi.export('one', 1)").bail
    assert not host.run("pulumi.export('two', 2)", stack="prod").bail
    assert [request.name for request in host.monitor.requests] == ["shop-dev", "shop-prod"]


def test_independent_resources_are_requested_before_the_sdk_waits(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program's turns of the event loop suffice for the SDK to know of every registration."""
    host.monitor.answer.clear()
    found: list[int] = []

    async def wait_for_rpcs(*_: object) -> None:
        found.append(len(pulumi.runtime.settings.SETTINGS.rpc_manager.rpcs))
        host.monitor.answer.set()
        await waits()

    waits = pulumi.runtime.stack.wait_for_rpcs
    monkeypatch.setattr(pulumi.runtime.stack, "wait_for_rpcs", wait_for_rpcs)
    assert not host.run("for i in range(20): pulumi.ComponentResource('shop:Group', f'group-{i}')").bail
    assert found == [21]


async def breaks_when_cancelled() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise asyncio.InvalidStateError from None


def test_calls_under_way_when_a_program_fails_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def program() -> None:
        under_way.append(asyncio.ensure_future(breaks_when_cancelled()))
        await asyncio.sleep(0)
        raise ZeroDivisionError

    def run() -> None:
        with quiet_runner(1) as runner:
            runner.run(program())

    under_way: list[asyncio.Future[None]] = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError):
        pool.submit(run).result()  # a program has a thread of its own, and this one keeps its event loop
    assert under_way[0].done()
    assert caplog.records == []
