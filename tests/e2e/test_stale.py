"""Layers that read what has changed since: status names them, and rotate and deploy-all --stale deploy them."""

import re

import pytest

pytestmark = pytest.mark.local


@pytest.fixture(scope="module", autouse=True)
def deployed(clone) -> None:
    assert clone.inv("deploy-all").code == 0


def stale(clone) -> list[str]:
    """Return the layers that status shows as stale."""
    return re.findall(r"^(\w+) +stale ", clone.inv("status").out, re.MULTILINE)


def layers_of_last_run(clone) -> list[str]:
    [run] = sorted(clone.path.glob(".txmon/runs/*"))[-1:]
    return sorted(path.name.removesuffix("-up.jsonl") for path in run.glob("*-up.jsonl"))


def test_only_a_reader_of_what_has_changed_is_stale_and_is_deployed(clone) -> None:
    assert stale(clone) == []
    with clone.settings("streaming", shardCount=3):
        done = clone.inv("up", "streaming")
        assert done.out.splitlines()[-1] == (
            "stale: monitoring (streaming changed); next: ./inv up monitoring --env local"
        )
        assert stale(clone) == ["monitoring"]
        clone.shell("pulumi refresh --yes --skip-preview -s local --cwd projects/monitoring")
        assert stale(clone) == ["monitoring"], "a refresh reads the new outputs and deploys nothing"
        assert clone.inv("deploy-all", "--stale").code == 0
        assert layers_of_last_run(clone) == ["monitoring"]
        assert stale(clone) == []
    assert "no layer of local is stale" in clone.inv("deploy-all", "--stale").out


def test_a_rotation_reaches_the_database_also_after_an_interruption(clone) -> None:
    stack_file = clone.path / "projects/security/Pulumi.local.yaml"

    def version() -> tuple[int, int]:
        """Return the version of the password in the stack file and in the database."""
        [number] = re.findall(r"txmon-security:dbCredentialsVersion: (\d+)", stack_file.read_text())
        [database] = [each for each in clone.resources("data") if each["type"] == "aws:rds/instance:Instance"]
        return int(number), database["outputs"]["passwordWoVersion"]

    done = clone.inv("rotate", "database")
    assert done.code == 0, done.said
    assert version() == (2, 2)
    assert stale(clone) == []
    stack_file.write_text(stack_file.read_text().replace("dbCredentialsVersion: 2", "dbCredentialsVersion: 3"))
    assert clone.inv("up", "security").out.splitlines()[-1].startswith("stale: data (security changed); next: ")
    assert version() == (3, 2)
    assert clone.inv("rotate", "database").code == 0
    assert layers_of_last_run(clone) == ["data"]
    assert version() == (3, 3)
