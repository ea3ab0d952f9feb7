"""What git knows about a repository. Changed files are in test_affected.py."""

from pathlib import Path, PurePath

import pytest

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.repository import git


def test_a_file_is_read_at_a_commit(repository) -> None:
    repository.write("README.md", "second")
    assert git.file_at(repository.path, "main", PurePath("README.md")) == "first"
    assert git.file_at(repository.path, "main", PurePath("shared/none.json")) is None
    with pytest.raises(OrchestratorError, match="git knows no commit 'mian'"):
        git.file_at(repository.path, "mian", PurePath("README.md"))


def test_paths_are_relative_to_a_root_inside_the_git_repository(repository) -> None:
    repository.write("inner/README.md", "inner")
    repository.commit()
    root = repository.path / "inner"
    assert git.file_at(root, "HEAD", PurePath("README.md")) == "inner"
    assert git.work_tree_files(root) == [PurePath("README.md")]


def test_head_is_the_commit_and_whether_the_tree_differs(repository) -> None:
    commit = repository.run("rev-parse", "HEAD")
    assert git.head(repository.path) == (commit, False)
    repository.write("README.md", "second")
    assert git.head(repository.path) == (commit, True)


def test_head_is_empty_outside_of_a_git_repository(tmp_path: Path) -> None:
    assert git.head(tmp_path) == ("", False)


def test_deleted_and_ignored_files_are_not_in_the_work_tree(repository) -> None:
    repository.write(".gitignore", "*.log")
    repository.write("a.log", "ignored")
    repository.write("new.txt", "untracked")
    (repository.path / "README.md").unlink()
    names = {str(path) for path in git.work_tree_files(repository.path)}
    assert {".gitignore", "new.txt"} <= names
    assert not {"a.log", "README.md"} & names
