"""The runtime that a layer's program is served by: in a process of its own, for as long as somebody holds it."""

import multiprocessing
import subprocess
import sys
from importlib.metadata import version
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from unittest import mock

import grpc
import pytest
from pulumi.runtime.proto import language_pb2, language_pb2_grpc
from shared.errors import TxmonError

from tools.orchestrator.engine import program_host

MISSING = grpc.StatusCode.UNAVAILABLE


def required(address: str) -> list[tuple[str, str]]:
    """The plugins that the runtime at `address` says its program needs."""
    with grpc.insecure_channel(address) as channel:
        stub = language_pb2_grpc.LanguageRuntimeStub(channel)
        told = stub.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(), timeout=20)
        return [(package.name, package.version) for package in told.packages]


def test_a_runtime_serves_until_it_is_let_go(tmp_path: Path) -> None:
    with program_host.serving(str(tmp_path), {}) as runtime:
        assert required(runtime.address) == [("aws", f"v{version('pulumi-aws')}")]
    for process in multiprocessing.active_children():
        process.join(20)
    with pytest.raises(grpc.RpcError) as gone:
        required(runtime.address)
    assert gone.value.code() is MISSING


def test_runtimes_side_by_side_have_addresses_of_their_own(tmp_path: Path) -> None:
    with program_host.serving(str(tmp_path), {}) as one, program_host.serving(str(tmp_path), {}) as other:
        assert one.address != other.address
        assert required(one.address) == required(other.address)


def test_a_runtime_that_does_not_start_is_said_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TxmonError, match="no program starts"), program_host.serving(str(tmp_path / "none"), {}):
        pytest.fail("it has started")
    capfd.readouterr()


def test_a_fork_server_that_dies_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForkServerProcess, "start", mock.Mock(side_effect=EOFError))
    with pytest.raises(TxmonError, match="no program starts"), program_host.serving(str(tmp_path), {}):
        pytest.fail("it has started")


def test_what_layers_import_is_loaded_once_and_kept_from_the_garbage_collector_which_works_on() -> None:
    program = (
        "import gc, sys, tools.orchestrator.engine.preload\n"
        "print('pulumi_aws.ec2.vpc' in sys.modules, gc.get_freeze_count() > 100_000, gc.isenabled(), flush=True)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "True True True\n"
