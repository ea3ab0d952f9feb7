"""What every verb needs before it works on an environment: an engine, readable stack files and a running cloud."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.monorepo import Facts, make_monorepo
from tools.orchestrator.cli.commands import open_environment, open_for_estimate
from tools.orchestrator.model.errors import OrchestratorError


@dataclass
class Cloud:
    """A local cloud that is `lost` if it had to begin anew."""

    lost: Path | None = None
    starts: list[int | None] = field(default_factory=list)

    def start(self, *, port: int | None = None) -> Path | None:
        self.starts.append(port)
        return self.lost

    def variables(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}

    def servers(self) -> list[object]:
        return []

    def created(self, _: object) -> dict[str, str]:
        return {}


@pytest.fixture(autouse=True)
def _engine_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("pulumi", "pulumi-language-python"):
        (folder / program).write_text("#!/bin/sh\necho v99.0.0\n")
        (folder / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


def test_an_environment_on_aws_has_the_engine_and_needs_no_local_cloud(tmp_path: Path) -> None:
    cloud = Cloud()
    workspace = open_environment(make_monorepo(tmp_path, local_cloud=cloud), Facts("dev"))
    assert (workspace.env, workspace.engine.version, workspace.engine.folder) == ("dev", "v99.0.0", tmp_path / "bin")
    assert "AWS_ENDPOINT_URL" not in workspace.variables
    assert cloud.starts == []


def test_a_local_environment_has_its_running_cloud(tmp_path: Path, messages: list[str]) -> None:
    cloud = Cloud()
    workspace = open_environment(make_monorepo(tmp_path, local_cloud=cloud), Facts("local"))
    assert workspace.variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert (cloud.starts, messages) == ([None], [])


def test_a_local_cloud_that_lost_its_resources_says_where_the_state_is(tmp_path: Path, messages: list[str]) -> None:
    monorepo = make_monorepo(tmp_path, local_cloud=Cloud(lost=tmp_path / ".local/state-1"))
    open_environment(monorepo, Facts("local"))
    assert len(messages) == 1
    assert "lost its resources" in messages[0]
    assert ".local/state-1" in messages[0]


def test_an_estimate_without_a_state_backend_uses_the_local_cloud_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messages: list[str]
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    workspace = open_for_estimate(make_monorepo(tmp_path, local_cloud=Cloud()), Facts("dev"))
    assert (workspace.env, workspace.variables["AWS_ENDPOINT_URL"]) == ("dev", "http://127.0.0.1:4566")
    assert messages == ["no state backend is chosen, so that this prices what the programs would create from nothing"]


def test_an_estimate_with_a_state_backend_uses_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    workspace = open_for_estimate(make_monorepo(tmp_path, local_cloud=cloud), Facts("dev"))
    assert (workspace.backend, cloud.starts) == ("s3://states", [])


def test_a_broken_stack_file_stops_every_verb(tmp_path: Path) -> None:
    cloud = Cloud()
    monorepo = make_monorepo(tmp_path, local_cloud=cloud)
    monorepo.stack_file("store", "local").write_text("config: [\n")
    with pytest.raises(OrchestratorError, match=r"projects/store/Pulumi\.local\.yaml"):
        open_environment(monorepo, Facts("local"))
    assert cloud.starts == []
