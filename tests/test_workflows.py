"""The workflows: who gets which role, and the comment on a pull request. `./inv check` lints them."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOWS = Path(__file__).parents[1] / ".github/workflows"
MARK = "<!-- txmon: preview of dev -->"
GH = """#!/usr/bin/env python3
import json, pathlib, sys
words = sys.argv[1:]
if "--jq" in words:
    print(pathlib.Path("found").read_text(), end="")
else:
    [body] = [word.removeprefix("body=@") for word in words if word.startswith("body=@")]
    call = {"method": words[words.index("--method") + 1], "body": pathlib.Path(body).read_text()}
    call["path"] = next(word for word in words if word.startswith("repos/"))
    pathlib.Path("call").write_text(json.dumps(call))
"""
"""Stands for GitHub's CLI: it lists the comments in the file `found`, and records a change in the file `call`."""


def workflow(name: str) -> Any:
    return yaml.safe_load((WORKFLOWS / name).read_text())


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.stem)
def test_code_of_a_pull_request_gets_the_role_of_dev_only(path: Path) -> None:
    described = workflow(path.name)
    if "pull_request" in described[True]:  # YAML 1.1 reads `on` as true
        assert {job.get("environment", "dev") for job in described["jobs"].values()} == {"dev"}


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.stem)
def test_no_job_gets_both_a_role_and_a_token_that_writes(path: Path) -> None:
    described = workflow(path.name)
    assert described["permissions"] == {}
    for job in described["jobs"].values():
        written = {name for name, access in job["permissions"].items() if access == "write"}
        assert len(written) <= 1
        assert ("id-token" in written) == ("environment" in job)


def test_no_workflow_uses_a_secret() -> None:
    assert not [path.name for path in WORKFLOWS.glob("*.yml") if "secrets." in path.read_text()]


@pytest.fixture
def comment(tmp_path: Path) -> Callable[..., Any]:
    """Return the step that comments, given the plan and the ids of comments that it finds; it returns its change."""
    gh = tmp_path / "bin/gh"
    gh.parent.mkdir()
    gh.write_text(GH)
    gh.chmod(0o755)
    step = workflow("preview.yml")["jobs"]["comment"]["steps"][-1]
    variables = {"REPOSITORY": "team/txmon", "NUMBER": "7", "RESULT": "failure", "LOG": "https://log"}

    def run(plan: str | None, found: str) -> Any:
        (tmp_path / "found").write_text(found)
        if plan is not None:
            (tmp_path / "report.md").write_text(plan)
        subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=tmp_path,
            env=variables | {"PATH": f"{gh.parent}:{os.environ['PATH']}"},
            check=True,
        )
        return json.loads((tmp_path / "call").read_text())

    return run


def test_the_first_plan_is_a_new_comment_with_the_mark(comment: Callable[..., Any]) -> None:
    made = comment("# Plan\n\n2 changes `$HOME`\n", found="")
    assert (made["method"], made["path"]) == ("POST", "repos/team/txmon/issues/7/comments")
    assert made["body"] == f"{MARK}\n# Plan\n\n2 changes `$HOME`\n"


def test_a_later_plan_replaces_the_text_of_the_comment(comment: Callable[..., Any]) -> None:
    made = comment("# Plan\n", found="41\n42\n")
    assert (made["method"], made["path"]) == ("PATCH", "repos/team/txmon/issues/comments/41")
    assert made["body"].startswith(MARK)


def test_a_preview_without_a_plan_links_its_log(comment: Callable[..., Any]) -> None:
    assert comment(None, found="")["body"] == (
        f"{MARK}\nThere is no plan. The preview ended with failure: https://log\n"
    )
