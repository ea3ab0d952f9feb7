"""How the engine's commands are started: their command lines, their variables, and Ctrl-C."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from tests.support.monorepo import Facts, make_monorepo, make_workspace
from tools.engine.install import Engine
from tools.orchestrator.engine import children
from tools.orchestrator.engine.workspace import Workspace, open_workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import Action


@pytest.fixture
def open_dev(tmp_path: Path) -> Callable[[], Workspace]:
    """Return a function that opens `dev`, an environment on AWS, with this process's variables."""
    monorepo, engine = make_monorepo(tmp_path), Engine(tmp_path, "v0", "of a test")
    return lambda: open_workspace(monorepo, Facts("dev"), engine, {})


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no username")])
def test_a_user_without_a_name_reaches_the_engine_as_a_number(
    open_dev: Callable[[], Workspace], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", mock.Mock(side_effect=error))
    assert open_dev().process_environment()["USER"] == str(os.getuid())


@pytest.mark.parametrize(
    ("given", "exempt"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "example.com"}, "example.com,127.0.0.1,localhost"),
        ({"no_proxy": "example.com", "NO_PROXY": "example.com"}, "example.com,127.0.0.1,localhost"),
        ({"no_proxy": "a.com", "NO_PROXY": "b.com"}, "a.com,b.com,127.0.0.1,localhost"),
    ],
)
def test_this_machine_is_exempt_from_proxies(
    open_dev: Callable[[], Workspace], given: dict[str, str], exempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    variables = open_dev().process_environment()
    assert [variables[name] for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy")] == [exempt] * 3


def test_this_machine_is_exempt_from_grpcs_own_proxies(
    open_dev: Callable[[], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_grpc_proxy", "example.com")
    assert open_dev().process_environment()["no_grpc_proxy"].startswith("example.com,")
    assert open_dev().process_environment()["no_grpc_proxy"].endswith("127.0.0.1,localhost")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566"])
def test_a_shell_that_leads_to_a_local_cloud_is_refused_for_aws(
    open_dev: Callable[[], Workspace], endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(OrchestratorError, match=r"point to a local cloud, as after \./inv local-env .*: use another"):
        open_dev()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://vpce-1.kinesis.ap-northeast-1.vpce.amazonaws.com")
    assert open_dev().env == "dev"


def test_a_removed_layer_needs_no_folder_for_a_command(tmp_path: Path) -> None:
    workspace = make_workspace(make_monorepo(tmp_path))
    assert workspace.display_command("base", "destroy") == "pulumi destroy --stack dev --cwd projects/base"
    assert workspace.display_command("ledger", "destroy") == "pulumi destroy --stack organization/shop-ledger/dev"


def test_a_command_uses_a_copy_of_the_stack_file_if_the_layer_has_one(tmp_path: Path) -> None:
    workspace = make_workspace(make_monorepo(tmp_path))
    with workspace.stack_file_copy("base") as copy:
        assert workspace.config_file("base", copy) == ("--config-file", str(copy.path))
        assert copy.path.read_bytes() == workspace.monorepo.stack_file("base", "dev").read_bytes()
    with workspace.stack_file_copy("ledger") as none:
        assert workspace.config_file("ledger", none) == ()


def test_secrets_stay_encrypted_as_the_state_says(
    open_dev: Callable[[], Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CLOUD_SECRET_OVERRIDE", "awskms://alias/other")
    variables = open_dev().process_environment()
    assert variables["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] == "true"
    assert variables["PULUMI_CLOUD_SECRET_OVERRIDE"] == ""


def test_ctrl_c_asks_a_command_to_end_and_waits_for_it(tmp_path: Path) -> None:
    trap = f"trap 'sleep 0.5; touch {tmp_path}/settled; exit 1' INT"
    (tmp_path / "pulumi").write_text(f"#!/bin/sh\n{trap}\ntouch {tmp_path}/begun\nsleep 10 >&- 2>&- & wait\n")
    (tmp_path / "pulumi").chmod(0o755)
    workspace = make_workspace(make_monorepo(tmp_path), engine=tmp_path)

    def interrupt() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    before = signal.signal(signal.SIGINT, children.Interruption())
    try:
        with pytest.raises(KeyboardInterrupt):
            workspace.call("base", "refresh")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "settled").exists()


def test_an_update_names_the_policy_pack_as_seen_from_a_layer(tmp_path: Path) -> None:
    monorepo = make_monorepo(tmp_path, policy_pack=tmp_path / "shared" / "policies" / "pack")
    workspace = make_workspace(monorepo, "local")
    command = workspace.display_command("base", *workspace.action_arguments(Action.UP))
    assert command == (
        "pulumi up --yes --skip-preview --policy-pack ../../shared/policies/pack --stack local --cwd projects/base"
    )
    assert workspace.action_arguments(Action.DESTROY) == ("destroy", "--yes", "--skip-preview")
