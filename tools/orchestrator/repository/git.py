"""What git knows about the repository: which files a change touches, and how they were before."""

import os
import subprocess
from pathlib import Path, PurePath, PurePosixPath

from tools.orchestrator.model.errors import OrchestratorError

GIT_SECONDS = 120
"""How long git may take. It reads what is on disk, and waits only for a disk that does not answer."""
FETCH = "fetch it first, in CI with the whole history: git fetch --unshallow origin"


def changed_files(root: Path, since: str) -> list[PurePosixPath]:
    """Return the files that differ between a commit and the work tree.

    They include new and deleted files, and both names of a renamed one.

    Raises:
        OrchestratorError: git does not know the commit.
    """
    differing = _git(root, "diff", "--name-only", "--relative", "--no-renames", "-z", commit(root, since), "--")
    untracked = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    return sorted({PurePosixPath(name) for name in (differing + untracked).decode().split("\0") if name})


def deleted_files(root: Path, since: str) -> set[PurePosixPath]:
    """Return the files of a commit that the work tree deletes; not those that a sparse checkout leaves out.

    Raises:
        OrchestratorError: git does not know the commit.
    """
    only_deleted = ("--diff-filter=D", "--name-only", "--relative", "--no-renames", "-z")
    named = _git(root, "diff", *only_deleted, commit(root, since), "--").decode().split("\0")
    return {PurePosixPath(name) for name in named if name and not (root / name).exists()}


def work_tree_files(root: Path) -> list[PurePosixPath]:
    """Return the files of the work tree that git tracks, or would track."""
    listed = _git(root, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    paths = (PurePosixPath(name) for name in listed.decode().split("\0") if name)
    return [path for path in paths if (root / path).exists()]


def branch_point(root: Path, ref: str) -> str:
    """Return the commit at which this branch left `ref`. Later commits on `ref` are not part of this change.

    Raises:
        OrchestratorError: git does not know `ref`, or no common commit.
    """
    found = _run(root, "merge-base", commit(root, ref), "HEAD")
    if found.returncode == 1:
        raise OrchestratorError(f"git knows no commit that HEAD and {ref} have in common: {FETCH}")
    return _stdout(found).decode().strip()


def commit(root: Path, ref: str) -> str:
    """Return the commit that `ref` (a branch, a tag, a commit) names.

    Raises:
        OrchestratorError: git does not know it, or this is no repository.
    """
    found = _run(root, "rev-parse", "--verify", f"{ref}^{{commit}}")
    if b"not a git repository" in found.stderr:
        raise OrchestratorError(
            "this folder is no git repository, so nothing tells what has changed: run this in a clone"
        )
    if b"Needed a single revision" in found.stderr:
        raise OrchestratorError(f"git knows no commit {ref!r}: {FETCH}")
    return _stdout(found).decode().strip()


def head(root: Path) -> tuple[str, bool]:
    """Return the work tree's commit, empty without a repository, and whether the tree differs from it."""
    try:
        description = _git(root, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty").decode().strip()
    except OrchestratorError:
        return "", False
    return description.removesuffix("-dirty"), description.endswith("-dirty")


def file_at(root: Path, ref: str, path: PurePath) -> str | None:
    """Return the text of a file at a commit; None if the commit does not have it.

    Raises:
        OrchestratorError: git does not know the commit.
    """
    found = _run(root, "show", f"{commit(root, ref)}:./{path.as_posix()}")
    return None if found.returncode else found.stdout.decode()


def _git(root: Path, *arguments: str) -> bytes:
    return _stdout(_run(root, *arguments))


def _stdout(done: subprocess.CompletedProcess[bytes]) -> bytes:
    if done.returncode:
        said = " ".join(done.stderr.decode().split()).removeprefix("fatal: ")
        raise OrchestratorError(f"git {done.args[1]}: {said}")
    return done.stdout


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    english = {**os.environ, "LC_ALL": "C"}  # its messages are parsed
    try:
        return subprocess.run(
            ["git", *arguments], cwd=root, env=english, capture_output=True, check=False, timeout=GIT_SECONDS
        )
    except FileNotFoundError:
        raise OrchestratorError("git is not on PATH: install it and run this again") from None
