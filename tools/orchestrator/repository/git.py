"""What git knows of the repository: which files a change touches, and how they were before it."""

import os
import subprocess
from pathlib import PurePath, PurePosixPath

from shared.errors import TxmonError
from tools.orchestrator.engine.workspace import ROOT

FETCH = "fetch it first, in CI with the whole history: git fetch --unshallow origin"


def changed_files(since: str) -> list[PurePosixPath]:
    """The files that differ between a commit and the work tree, new and deleted ones too; of a rename both names.

    Raises:
        TxmonError: git does not know the commit.
    """
    differing = _git("diff", "--name-only", "--relative", "--no-renames", "-z", commit(since), "--")
    untracked = _git("ls-files", "--others", "--exclude-standard", "-z")
    return sorted({PurePosixPath(name) for name in (differing + untracked).decode().split("\0") if name})


def work_tree_files() -> list[PurePosixPath]:
    """The files of the work tree that git tracks, or would track."""
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard", "-z")
    paths = (PurePosixPath(name) for name in listed.decode().split("\0") if name)
    return [path for path in paths if (ROOT / path).exists()]


def branch_point(ref: str) -> str:
    """The commit that this branch left `ref` at: what others have done on `ref` since is not this change.

    Raises:
        TxmonError: git does not know `ref`, or no common commit.
    """
    found = _run("merge-base", commit(ref), "HEAD")
    if found.returncode == 1:
        raise TxmonError(f"git knows no commit that HEAD and {ref} have in common: {FETCH}")
    return _printed(found).decode().strip()


def commit(ref: str) -> str:
    """The commit that `ref` (a branch, a tag, a commit) names.

    Raises:
        TxmonError: git does not know it, or this is no repository.
    """
    found = _run("rev-parse", "--verify", f"{ref}^{{commit}}")
    if b"not a git repository" in found.stderr:
        raise TxmonError("this folder is no git repository, so nothing tells what has changed: run this in a clone")
    if b"Needed a single revision" in found.stderr:
        raise TxmonError(f"git knows no commit {ref!r}: {FETCH}")
    return _printed(found).decode().strip()


def head() -> tuple[str, bool]:
    """The commit of the work tree, and whether the tree differs from it; empty without git or outside of it."""
    try:
        told = _git("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty").decode().strip()
    except TxmonError:
        return "", False
    return told.removesuffix("-dirty"), told.endswith("-dirty")


def file_at(commit: str, path: PurePath) -> str | None:
    """Return the text of a file in a commit; None if the commit does not have the file."""
    if not _git("ls-tree", "--name-only", commit, "--", str(path)):
        return None
    return _git("show", f"{commit}:./{path}").decode()


def _git(*arguments: str) -> bytes:
    return _printed(_run(*arguments))


def _printed(done: subprocess.CompletedProcess[bytes]) -> bytes:
    if done.returncode:
        said = " ".join(done.stderr.decode().split()).removeprefix("fatal: ")
        raise TxmonError(f"git {done.args[1]}: {said}")
    return done.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    english = {**os.environ, "LC_ALL": "C"}  # what it says is looked into
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, env=english, capture_output=True, check=False)
    except FileNotFoundError:
        raise TxmonError("git is not on PATH: install it and run this again") from None
