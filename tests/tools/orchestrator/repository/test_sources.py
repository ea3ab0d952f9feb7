"""Which files deploy a layer, and whether they have changed since an update."""

import subprocess
from pathlib import Path

import pytest

from tests.support.monorepo import make_monorepo
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.stack import UpdateRecord
from tools.orchestrator.repository.sources import changed_since, sources_digest


@pytest.fixture
def monorepo(tmp_path: Path) -> Monorepo:
    for name in (
        "projects/network/vpc.py",
        "projects/data/__main__.py",
        "shared/stack.py",
        "shared/contracts/network.py",
        "tools/orchestrator/run/scheduler.py",
        "shared/policies/access.py",
        "requirements.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return make_monorepo(tmp_path, {"network": (), "data": ("network",)}, environments=("dev",))


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
def test_the_digest_changes_only_with_the_files_that_deploy_the_layer(
    monorepo: Monorepo, name: str, changes: bool
) -> None:
    before = sources_digest(monorepo, "network", "dev")
    (monorepo.root / name).write_text("other")
    assert (sources_digest(monorepo, "network", "dev") != before) is changes


def test_keys_that_the_first_deploy_adds_to_a_stack_file_are_no_change(monorepo: Monorepo) -> None:
    file = monorepo.root / "projects/network/Pulumi.dev.yaml"
    file.write_text("config: {}\n")
    before = sources_digest(monorepo, "network", "dev")
    file.write_text("config: {}\nencryptedkey: abc=\nsecretsprovider: awskms://alias/x?region=ap-northeast-1\n")
    assert sources_digest(monorepo, "network", "dev") == before
    file.write_text("config: {a: b}\nencryptedkey: abc=\n")
    assert sources_digest(monorepo, "network", "dev") != before


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=root, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_an_update_by_plain_pulumi_is_compared_by_its_commit(monorepo: Monorepo) -> None:
    git(monorepo.root, "init", "--quiet")
    git(monorepo.root, "add", ".")
    git(monorepo.root, "commit", "--quiet", "--message", "first")
    update = UpdateRecord("update", "succeeded", "", "by hand", git(monorepo.root, "rev-parse", "HEAD"))
    assert not changed_since(monorepo, update, "network", "dev")
    (monorepo.root / "projects/network/vpc.py").write_text("other")
    assert changed_since(monorepo, update, "network", "dev")
    assert not changed_since(monorepo, update, "data", "dev")


def test_an_update_by_the_orchestrator_is_compared_by_its_digest(monorepo: Monorepo) -> None:
    digest = sources_digest(monorepo, "network", "dev")
    update = UpdateRecord("update", "succeeded", "", f"shop up by a@b, sources {digest}")
    assert not changed_since(monorepo, update, "network", "dev")
    (monorepo.root / "projects/network/vpc.py").write_text("other")
    assert changed_since(monorepo, update, "network", "dev")
