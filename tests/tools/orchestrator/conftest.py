"""A small monorepo in a git repository of its own, and what the orchestrator logs."""

import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.support.monorepo import make_monorepo
from tools.orchestrator.engine import children, program_host
from tools.orchestrator.model.monorepo import Monorepo


class Repository:
    """A git repository with the branch `main`; the branch `feature`, which begins there, is checked out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run("init", "--quiet", "--initial-branch=main")
        self.write("README.md", "first")
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
def monorepo(tmp_path: Path) -> Monorepo:
    return make_monorepo(tmp_path, environments=("local", "dev", "prod"))


@pytest.fixture
def repository(monorepo: Monorepo) -> Repository:
    """Commit the monorepo to a git repository, with the project of a layer that its graph does not have."""
    (monorepo.projects / "archive").mkdir()
    monorepo.project_file("archive").write_text("name: shop-archive")
    return Repository(monorepo.root)


@pytest.fixture
def messages() -> Iterator[list[str]]:
    """Collect what the orchestrator logs, even if a verb of an earlier test has set its own handler."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("tools.orchestrator")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.setLevel(level)
    logger.removeHandler(handler)


@pytest.fixture
def without_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no process for layers' programs: the engine is a stand-in that runs none."""
    monkeypatch.setattr(program_host, "start", lambda *_: None)
    monkeypatch.setattr(program_host, "serve", lambda *_: nullcontext(program_host.Runtime("nowhere", 0)))


@pytest.fixture
def soon_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not end is killed after a moment, not after seconds."""
    monkeypatch.setattr(children, "KILL_SECONDS", 0.3)
