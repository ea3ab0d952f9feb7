import json
import shlex
import subprocess
from pathlib import Path

import pytest

from shared.deploy import sources, views
from shared.deploy.state import Update


def test_env_lines_are_upper_case_quoted_for_a_shell_and_keep_structure_as_json() -> None:
    found = {"data": {"redis_port": 6379, "name": "it's", "ids": ["a", "b"], "contract_version": 1}}
    lines = dict(line.split("=", 1) for line in views.outputs_as_env(found).splitlines())
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
        "shared/layer.py",
        "shared/contracts/network.py",
        "shared/deploy/runner.py",
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
        ("shared/layer.py", True),
        ("shared/contracts/network.py", True),
        ("shared/policies/access.py", True),
        ("requirements.txt", True),
        ("projects/data/__main__.py", False),
        ("shared/deploy/runner.py", False),
    ],
)
def test_the_digest_changes_with_what_deploys_the_layer_and_nothing_else(
    tree: Path, name: str, changes: bool
) -> None:
    before = sources.sources_digest("network", "dev")
    (tree / name).write_text("other")
    assert (sources.sources_digest("network", "dev") != before) is changes


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
