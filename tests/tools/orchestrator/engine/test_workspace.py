"""What commands of the engine are given to run with."""

import os
import signal
import threading
import time
from pathlib import Path
from unittest import mock

import pytest
from shared.errors import TxmonError

from shared import environments
from shared.environments import Environment
from tools.engine.install import Engine
from tools.orchestrator.engine import workspace
from tools.orchestrator.engine.workspace import Workspace, open_workspace


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(workspace, "find_engine", lambda _: Engine(tmp_path, "v0", "a script"))


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no username")])
def test_an_engine_is_told_the_number_of_a_user_without_a_name(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", mock.Mock(side_effect=error))
    assert open_workspace("dev", pytest.fail).process_environment()["USER"] == str(os.getuid())


@pytest.mark.parametrize(
    ("given", "exempt"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "example.com"}, "example.com,127.0.0.1,localhost"),
        ({"no_proxy": "example.com", "NO_PROXY": "example.com"}, "example.com,127.0.0.1,localhost"),
        ({"no_proxy": "a.com", "NO_PROXY": "b.com"}, "a.com,b.com,127.0.0.1,localhost"),
    ],
)
def test_no_proxy_is_asked_for_what_runs_on_this_machine(
    given: dict[str, str], exempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    variables = open_workspace("dev", pytest.fail).process_environment()
    assert (variables["no_proxy"], variables["NO_PROXY"]) == (exempt, exempt)


def test_a_state_folder_that_does_not_exist_is_refused_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"file://{tmp_path}/states"
    monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    with pytest.raises(TxmonError, match=f"the state backend {url} is no folder: make it, or check PULUMI_BACKEND"):
        open_workspace("dev", pytest.fail).stacks()
    (tmp_path / "states").mkdir()
    assert open_workspace("dev", pytest.fail).stacks() == {}


def test_what_is_known_of_an_environment_under_a_mistyped_name_stops_every_verb(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environments, "REAL", (environments.Environment(name="prdo", account_id="123456789012"),))
    with pytest.raises(
        TxmonError, match=r"^REAL in shared/env.*: there is no environment 'prdo'; did you mean 'prod'"
    ):
        open_workspace("prod", pytest.fail)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566"])
def test_an_environment_on_aws_is_not_looked_for_in_the_local_cloud_that_the_shell_leads_to(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(TxmonError, match=r"leads to a local cloud, as after \./inv local-env .*: use another shell"):
        open_workspace("dev", pytest.fail)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://vpce-1.kinesis.ap-northeast-1.vpce.amazonaws.com")
    assert open_workspace("dev", pytest.fail).env == "dev"


def test_a_command_of_the_engine_that_ctrl_c_meets_is_asked_to_end_and_waited_for(tmp_path: Path) -> None:
    trap = f"trap 'sleep 0.5; touch {tmp_path}/settled; exit 1' INT"
    (tmp_path / "pulumi").write_text(f"#!/bin/sh\n{trap}\ntouch {tmp_path}/begun\nsleep 10 >&- 2>&- & wait\n")
    (tmp_path / "pulumi").chmod(0o755)

    def interrupt() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        Workspace(Environment(name="dev"), Engine(tmp_path, "v0", "a script"), {}).call("network", "refresh")
    assert (tmp_path / "settled").exists()
