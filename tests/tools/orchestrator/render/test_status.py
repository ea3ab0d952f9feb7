import json
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tools.orchestrator.engine.operation import Status
from tools.orchestrator.state.stacks import LayerState, Update

from shared.graph import LAYERS
from tools.orchestrator.render import status
from tools.orchestrator.render.status import EnvironmentStatus
from tools.orchestrator.repository import sources
from tools.orchestrator.run.journal import LayerRecord, RunRecord
from tools.orchestrator.state.locks import Lock


def test_env_lines_are_upper_case_quoted_for_a_shell_and_keep_structure_as_json() -> None:
    found = {"data": {"redis_port": 6379, "name": "it's", "ids": ["a", "b"], "contract_version": 1}}
    lines = dict(line.split("=", 1) for line in status.outputs_as_env(found).splitlines())
    assert lines == {"REDIS_PORT": "6379", "NAME": shlex.quote("it's"), "IDS": shlex.quote(json.dumps(["a", "b"]))}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    monkeypatch.setattr(sources.git, "ROOT", tmp_path)
    for name in (
        "projects/network/vpc.py",
        "projects/network/Pulumi.yaml",
        "projects/network/Pulumi.dev.yaml",
        "projects/data/__main__.py",
        "projects/data/Pulumi.yaml",
        "projects/data/Pulumi.dev.yaml",
        "shared/stack.py",
        "shared/contracts/network.py",
        "tools/orchestrator/run/scheduler.py",
        "shared/policies/access.py",
        "requirements.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("projects/network/vpc.py", True),
        ("projects/network/Pulumi.dev.yaml", True),
        ("shared/stack.py", True),
        ("shared/contracts/network.py", True),
        ("shared/policies/access.py", True),
        ("requirements.txt", True),
        ("projects/data/__main__.py", False),
        ("tools/orchestrator/run/scheduler.py", False),
    ],
)
def test_the_digest_changes_with_what_deploys_the_layer_and_nothing_else(
    tree: Path, name: str, changes: bool
) -> None:
    before = sources.sources_digest("network", "dev")
    (tree / name).write_text("other")
    assert (sources.sources_digest("network", "dev") != before) is changes


def test_the_key_that_the_first_deploy_adds_to_a_stack_file_is_no_change_since(tree: Path) -> None:
    file = tree / "projects/network/Pulumi.dev.yaml"
    file.write_text("config: {}\n")
    before = sources.sources_digest("network", "dev")
    file.write_text("config: {}\nencryptedkey: abc=\nsecretsprovider: awskms://alias/x?region=ap-northeast-1\n")
    assert sources.sources_digest("network", "dev") == before
    file.write_text("config: {a: b}\nencryptedkey: abc=\n")
    assert sources.sources_digest("network", "dev") != before


def git(tree: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=tree, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_an_update_by_plain_pulumi_is_compared_by_its_commit(tree: Path) -> None:
    git(tree, "init", "--quiet")
    git(tree, "add", ".")
    git(tree, "commit", "--quiet", "--message", "first")
    update = Update("update", "succeeded", "", "by hand", git(tree, "rev-parse", "HEAD"))
    assert not sources.changed_since(update, "network", "dev")
    (tree / "projects/network/vpc.py").write_text("other")
    assert sources.changed_since(update, "network", "dev")
    assert not sources.changed_since(update, "data", "dev")


def test_an_update_by_the_runner_is_compared_by_its_digest(tree: Path) -> None:
    digest = sources.sources_digest("network", "dev")
    update = Update("update", "succeeded", "", f"txmon up by a@b, sources {digest}")
    assert not sources.changed_since(update, "network", "dev")
    (tree / "projects/network/vpc.py").write_text("other")
    assert sources.changed_since(update, "network", "dev")


NOW = datetime.now(UTC)
NOBODY = 2**22 + 1
"""Above the highest process number that Linux gives."""
GOOD = Update("update", "succeeded", (NOW - timedelta(hours=1)).isoformat(), "")


def deployed(layer: str, last: Update = GOOD, *pending: str) -> LayerState:
    operations = [{"type": "creating", "resource": {"urn": f"a::{name}"}} for name in pending]
    return LayerState(
        layer, {"resources": [{"type": "t", "urn": "a::b"}] * 3, "pending_operations": operations}, last
    )


def status_of(*states: LayerState, **more: Any) -> EnvironmentStatus:
    given = {layer: deployed(layer) for layer in LAYERS} | {state.layer: state for state in states}
    facts: dict[str, Any] = {"locks": {}, "holder": None, "unfinished": None}
    return EnvironmentStatus("dev", given, **facts | more)


def killed(verb: str, layer: str, began: datetime) -> RunRecord:
    record = LayerRecord(action="up", status=Status.RUNNING, began=began)
    return RunRecord(verb=verb, env="dev", pid=NOBODY, began=began, wanted=[layer], layers={layer: record})


def test_where_all_is_well_there_is_nothing_to_do_next() -> None:
    found = status_of()
    assert {found.condition(layer) for layer in LAYERS} == {"ok"}
    assert found.what_next() == []


@pytest.mark.parametrize(
    ("state", "condition", "line"),
    [
        (
            deployed("data", Update("update", "failed", "", "")),
            "failed",
            "data: its last update failed: ./inv up data --env dev",
        ),
        (
            deployed("data", Update("destroy", "succeeded", "", "")),
            "interrupted",
            (
                "data: its destroy or an update after it was interrupted with 3 resources left: "
                "./inv up data --env dev or ./inv destroy data --env dev"
            ),
        ),
        (
            deployed("data", GOOD, "db"),
            "interrupted",
            "data: its last update was interrupted while creating db: ./inv unlock data --env dev",
        ),
        (deployed("ledger"), "removed", "ledger is no layer any more: ./inv destroy ledger --env dev"),
    ],
)
def test_a_layer_that_is_not_well_is_told_with_its_next_command(state, condition: str, line: str) -> None:
    found = status_of(state)
    assert found.condition(state.layer) == condition
    assert found.what_next() == [line]


def test_a_layer_that_is_being_worked_on_is_neither_good_nor_bad() -> None:
    found = status_of(deployed("data", GOOD, "db"), locks={"data": Lock.own("")})
    assert found.condition("data") == "running"
    assert found.what_next() == []


def test_a_killed_run_its_lock_and_what_it_left_are_told() -> None:
    lock = Lock.own("destroy-all").model_copy(update={"pid": NOBODY})
    run = killed("destroy-all", "data", NOW)
    found = status_of(locks={"data": lock}, holder=lock, unfinished=(run, ["data", "network"]))
    assert found.condition("data") == "interrupted"
    left_locked, holder, resume = found.what_next()
    assert left_locked == "data was left locked: ./inv unlock data --env dev"
    assert holder.startswith("dev is being changed by ")
    assert holder.endswith(" s; the next run takes its lock over")
    assert resume.startswith(
        f"destroy-all of {NOW:%Y-%m-%d %H:%M:%S} UTC was killed and left data, network: ./inv res"
    )


@pytest.mark.parametrize(("ago", "condition"), [(timedelta(0), "interrupted"), (timedelta(hours=2), "ok")])
def test_a_layer_in_which_a_run_was_killed_is_interrupted_until_somebody_has_updated_it(
    ago: timedelta, condition: str
) -> None:
    found = status_of(unfinished=(killed("destroy-all", "data", NOW - ago), ["data"]))
    assert found.condition("data") == condition
    told = "data: its last update was killed: ./inv destroy data --env dev"
    assert (told in found.what_next()) is (condition == "interrupted")


def test_a_run_that_is_at_work_is_not_to_be_resumed() -> None:
    run = RunRecord(verb="deploy-all", env="dev", wanted=["data"])
    assert status_of(unfinished=(run, ["data"])).what_next() == []
