"""The language runtime of a layer's program: a process that ends when nobody holds it any longer."""

import multiprocessing
from contextlib import suppress
from importlib.metadata import version
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from unittest import mock

import grpc
import psutil
import pytest
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from tools.orchestrator.engine import program_host
from tools.orchestrator.model.errors import OrchestratorError


def required_plugins(address: str) -> list[tuple[str, str]]:
    """Ask the runtime at `address` which plugins its program needs, as the engine does."""
    with grpc.insecure_channel(address) as channel:
        stub = language_pb2_grpc.LanguageRuntimeStub(channel)
        answer = stub.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(), timeout=20)
        return [(package.name, package.version) for package in answer.packages]


def test_a_runtime_serves_until_it_is_let_go(tmp_path: Path) -> None:
    with program_host.serve(str(tmp_path), {}) as runtime:
        assert required_plugins(runtime.address) == [("aws", f"v{version('pulumi-aws')}")]
    for process in multiprocessing.active_children():
        process.join(20)
    with pytest.raises(grpc.RpcError) as refused:
        required_plugins(runtime.address)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_each_runtime_has_an_address_of_its_own(tmp_path: Path) -> None:
    with program_host.serve(str(tmp_path), {}) as one, program_host.serve(str(tmp_path), {}) as other:
        assert one.address != other.address
        assert required_plugins(one.address) == required_plugins(other.address)


def test_a_runtime_that_does_not_start_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(OrchestratorError, match="no program starts"),
        program_host.serve(str(tmp_path / "none"), {}),
    ):
        pytest.fail("it has started")
    capfd.readouterr()


def fork_server() -> psutil.Process:
    """Return the process to fork from; other children may end while they are looked at."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "multiprocessing.forkserver" in str(child.cmdline()):
                return child
    pytest.fail("there is no fork server")


def test_a_stopped_fork_server_is_replaced_after_its_time(tmp_path: Path) -> None:
    program_host.start()
    fork_server().suspend()
    with (
        pytest.raises(OrchestratorError, match=r"no program starts in this \.venv within 0\.5 s"),
        program_host.serve(str(tmp_path), {}, seconds=0.5),
    ):
        pytest.fail("it has started")
    with program_host.serve(str(tmp_path), {}) as runtime:
        assert required_plugins(runtime.address)


@pytest.mark.parametrize("also_server", [False, True])
@pytest.mark.usefixtures("soon_killed")
def test_a_stopped_runtime_is_killed_when_it_is_let_go(tmp_path: Path, *, also_server: bool) -> None:
    with program_host.serve(str(tmp_path), {}):
        for process in multiprocessing.active_children():
            runtime = psutil.Process(process.pid)
            if also_server:
                runtime.parent().suspend()
            runtime.suspend()
    assert not multiprocessing.active_children()


def test_a_fork_server_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForkServerProcess, "start", mock.Mock(side_effect=EOFError))  # no test can kill it in time
    with pytest.raises(OrchestratorError, match="no program starts"), program_host.serve(str(tmp_path), {}):
        pytest.fail("it has started")
