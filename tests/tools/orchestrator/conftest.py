"""A git repository of a test's own."""

import os
import subprocess
from pathlib import Path

import pytest

from tools.orchestrator.repository import affected, git


class Repository:
    """A git repository with a main branch, and a branch that has left it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run("init", "--quiet", "--initial-branch=main")
        self.write("README.md", "first")
        self.write("projects/processing/Pulumi.yaml", "name: txmon-processing")
        self.commit()
        self.run("checkout", "--quiet", "-b", "feature")

    def run(self, *arguments: str) -> str:
        identity = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@e.com"}
        identity |= {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@e.com"}
        command = ["git", *arguments]
        done = subprocess.run(
            command, cwd=self.path, env={**os.environ, **identity}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)

    def commit(self) -> None:
        self.run("add", "--all")
        self.run("commit", "--quiet", "--message", "change")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setattr(git, "ROOT", tmp_path)
    monkeypatch.setattr(affected, "ROOT", tmp_path)
    return Repository(tmp_path)
