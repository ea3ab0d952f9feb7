"""Which layers a change affects."""

import shutil
from collections.abc import Callable
from pathlib import PurePath

import pytest

from tests.support.monorepo import GRAPH
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.affected import affected, affected_by

ALL = list(GRAPH)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("projects/base/vpc.py", ["base", "store", "watch"]),
        ("projects/store/queries/tables.sql", ["store", "watch"]),
        ("projects/watch/Pulumi.yaml", ["watch"]),
        ("projects/watch/Pulumi.dev.yaml", ["watch"]),
        ("shared/contracts/store.py", ["store", "watch"]),
        ("shared/contracts/watch.py", ["watch"]),
        ("shared/contracts/contract.py", ALL),
        ("shared/contracts/__init__.py", ALL),
        ("shared/contracts/archive.py", ALL),
        ("shared/contracts/parts/arn.py", ALL),
        ("shared/graph.py", ALL),
        ("shared/aws/tags.py", ALL),
        ("shared/sizes.json", ALL),
        ("shared/policies/rules.py", ALL),
        ("shared/policies/pack/PulumiPolicy.yaml", ALL),
        ("projects/__init__.py", ALL),
        ("requirements.txt", ALL),
        ("projects/base/README.md", []),
        ("projects/base/.vpc.py.swp", []),
        ("tools/orchestrator/run/scheduler.py", []),
        ("tools/localcloud/lifecycle.py", []),
        ("shared/contracts/outputs.lock.json", []),
        ("shared/policies/README.md", []),
        ("shared/aws/__pycache__/tags.pyc", []),
        ("shared/.tags.py.swp", []),
        ("tests/projects/base/test_base.py", []),
        ("README.md", []),
        ("tasks.py", []),
        ("pyproject.toml", []),
    ],
)
def test_a_changed_file_affects_its_layers_and_their_dependents(
    monorepo: Monorepo, name: str, layers: list[str]
) -> None:
    assert set(affected_by(monorepo, [PurePath(name)]).layers) == set(layers)


def test_settings_of_another_environment_do_not_count(monorepo: Monorepo) -> None:
    changed = [PurePath("projects/store/Pulumi.dev.yaml")]
    assert affected_by(monorepo, changed, "dev").layers == ["store", "watch"]
    assert affected_by(monorepo, changed, "prod").layers == []


def test_the_reason_is_a_file_or_an_affected_layer_that_it_reads(monorepo: Monorepo) -> None:
    found = affected_by(monorepo, [PurePath("projects/store/cache.py"), PurePath("projects/base/vpc.py")])
    assert found.reasons["store"] == ["projects/store/cache.py"]
    assert set(found.reasons["watch"]) == {"depends on base", "depends on store"}


def committed(repository) -> None:
    repository.write("projects/store/cache.py", "new")
    repository.commit()


def staged(repository) -> None:
    repository.write("projects/store/cache.py", "new")
    repository.run("add", "--all")


def untracked(repository) -> None:
    repository.write("projects/store/cache with a space.py", "new")


@pytest.mark.parametrize("change", [committed, staged, untracked])
def test_a_change_counts_whether_or_not_it_is_committed(
    monorepo: Monorepo, repository, change: Callable[..., None]
) -> None:
    assert affected(monorepo, "main").layers == []
    change(repository)
    assert affected(monorepo, "main").layers == ["store", "watch"]


def test_later_commits_on_the_base_do_not_count(monorepo: Monorepo, repository) -> None:
    committed(repository)
    repository.run("checkout", "--quiet", "main")
    repository.write("projects/base/vpc.py", "by others")
    repository.commit()
    repository.run("checkout", "--quiet", "feature")
    assert affected(monorepo, "main").layers == ["store", "watch"]


def test_a_moved_file_affects_both_layers(monorepo: Monorepo, repository) -> None:
    committed(repository)
    repository.run("branch", "--force", "main")
    repository.write("projects/vault/cache.py", "new")
    (repository.path / "projects/store/cache.py").unlink()
    repository.commit()
    assert affected(monorepo, "main").reasons == {
        "vault": ["projects/vault/cache.py"],
        "store": ["projects/store/cache.py"],
        "watch": ["depends on vault", "depends on store"],
    }


def test_a_removed_layer_is_deleted_until_its_project_exists_again(monorepo: Monorepo, repository) -> None:
    monorepo.project_file("archive").unlink()
    assert affected(monorepo, "main").deleted == ["archive"]
    repository.write("projects/archive/Pulumi.yaml", "name: other")
    assert affected(monorepo, "main").deleted == []


def test_what_a_sparse_checkout_leaves_out_is_not_deleted(monorepo: Monorepo, repository) -> None:
    repository.write("projects/store/Pulumi.yaml", "name: changed")
    repository.commit()
    repository.run("sparse-checkout", "set", "projects/base")
    assert not monorepo.project_file("store").exists()
    found = affected(monorepo, "main")
    assert (found.layers, found.deleted) == (["store", "watch"], [])


@pytest.mark.parametrize("renamed", [False, True])
def test_a_layer_of_the_graph_without_a_folder_is_not_deployed(monorepo: Monorepo, repository, renamed: bool) -> None:
    folder = repository.path / "projects/store"
    folder.rename(folder.with_name("storage")) if renamed else shutil.rmtree(folder)
    found = affected(monorepo, "main")
    assert (found.layers, found.deleted) == (["watch"], ["store"])


@pytest.mark.usefixtures("repository")
def test_an_unknown_base_says_what_to_fetch(monorepo: Monorepo) -> None:
    with pytest.raises(OrchestratorError, match=r"git knows no commit 'origin/mian': fetch it first, .*--unshallow"):
        affected(monorepo, "origin/mian")


@pytest.mark.usefixtures("repository")
def test_a_base_that_looks_like_an_option_is_a_name(monorepo: Monorepo) -> None:
    with pytest.raises(OrchestratorError, match="git knows no commit '--output=x'"):
        affected(monorepo, "--output=x")


def test_a_base_without_a_common_commit_is_refused(monorepo: Monorepo, repository) -> None:
    repository.run("checkout", "--quiet", "--orphan", "other")
    repository.write("README.md", "another first")
    repository.commit()
    with pytest.raises(OrchestratorError, match="no commit that HEAD and main have in common"):
        affected(monorepo, "main")


@pytest.mark.usefixtures("repository")
def test_other_errors_of_git_are_passed_on_in_one_line(monorepo: Monorepo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as in a container that runs as another user
    sentence = r"git rev-parse: detected dubious ownership .* call: git config --global"
    with pytest.raises(OrchestratorError, match=sentence):
        affected(monorepo, "main")


def test_a_folder_without_a_git_repository_is_refused(monorepo: Monorepo) -> None:
    with pytest.raises(OrchestratorError, match="this folder is no git repository"):
        affected(monorepo, "main")


@pytest.mark.usefixtures("repository")
def test_a_missing_git_is_named(monorepo: Monorepo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OrchestratorError, match="git is not on PATH"):
        affected(monorepo, "main")
