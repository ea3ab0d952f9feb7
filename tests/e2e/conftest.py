"""A clone of the repository of the tests' own, used as a new user would: `./inv` with a clean environment."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import yaml

from shared.graph import project
from tests.support.servers import remove_servers
from tools.localcloud.home import Files
from tools.orchestrator.repository.git import work_tree_files

ROOT = Path(__file__).parents[2]
KEPT = ("HOME", "PATH", "LANG", "TXMON_LOCAL_ENGINES")
"""The variables that a clean environment has."""


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Clone:
    """A copy of the work tree with a virtualenv and a local cloud."""

    path: Path

    def environment(self, **extra: str) -> dict[str, str]:
        return {name: os.environ[name] for name in KEPT if name in os.environ} | extra

    def command(self, *arguments: str) -> list[str]:
        return [str(self.path / "inv"), *arguments]

    def inv(self, *arguments: str, stdin: str | None = None, **extra: str) -> Done:
        """Run a verb; whatever happens, no traceback may reach the user."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.path,
            env=self.environment(**extra),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        result = Done(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in result.said, result.said
        return result

    def shell(self, script: str, **extra: str) -> Done:
        """Run a script in bash as a team would, after `eval "$(./inv local-env)"`."""
        done = subprocess.run(
            ["bash", "-euc", f'eval "$({shlex.quote(str(self.path / "inv"))} local-env)"\n{script}'],
            cwd=self.path,
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def outputs(self, env: str = "local") -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads(self.inv("outputs", "--env", env, "--format", "json").out)
        return found

    def resources(self, layer: str, env: str = "local") -> list[dict[str, Any]]:
        """What the layer's state holds."""
        state = self.path / ".local/state/.pulumi/stacks" / project(layer) / f"{env}.json"
        return json.loads(state.read_text())["checkpoint"]["latest"].get("resources") or []

    @property
    def cloud(self) -> dict[str, Any]:
        """The running local cloud: its ports and processes."""
        running: dict[str, Any] = json.loads((self.path / ".local" / "cloud.json").read_text())
        return running

    def client(self, service: str, **credentials: str) -> Any:
        """A boto3 client of the emulator."""
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.cloud['port']}",
            region_name="ap-northeast-1",
            **(credentials or self.root),
        )

    @property
    def root(self) -> dict[str, str]:
        """The credentials of the emulator's root user, as boto3 names them."""
        key = Files(self.path / ".local").read_key()
        return {"aws_access_key_id": key.identity, "aws_secret_access_key": key.secret}

    def made(self) -> Counter[str]:
        """How many of each thing the emulator holds that would be there twice if a create was done again."""
        ec2 = self.client("ec2")
        own = [{"Name": "tag:Project", "Values": ["txmon"]}]
        counted: dict[str, list[Any]] = {
            "vpc": ec2.describe_vpcs(Filters=own)["Vpcs"],
            "subnet": ec2.describe_subnets(Filters=own)["Subnets"],
            "route table": ec2.describe_route_tables(Filters=own)["RouteTables"],
            "security group": ec2.describe_security_groups(Filters=own)["SecurityGroups"],
            "endpoint": ec2.describe_vpc_endpoints(Filters=own)["VpcEndpoints"],
            "key": [a for a in self.client("kms").list_aliases()["Aliases"] if "transaction" in a["AliasName"]],
            "role": self.client("iam").list_roles()["Roles"],
            "stream": self.client("kinesis").list_streams()["StreamNames"],
            "database": self.client("rds").describe_db_instances()["DBInstances"],
            "cache": self.client("elasticache").describe_replication_groups()["ReplicationGroups"],
            "alarm": self.client("cloudwatch").describe_alarms()["MetricAlarms"],
        }
        return Counter({name: len(found) for name, found in counted.items()})

    def kill(self, *, unsaved: bool = False) -> None:
        """Kill the local cloud, by default once it has saved every change, as it does a second after each."""
        files, deadline = Files(self.path / ".local"), time.monotonic() + 20
        while files.unsaved.exists() and not unsaved:
            assert time.monotonic() < deadline, "the local cloud saves nothing"
            time.sleep(0.1)
        for number in (self.cloud["emulator_pid"], self.cloud["pid"]):
            os.kill(number, signal.SIGKILL)

    @contextmanager
    def settings(self, layer: str, env: str = "local", **values: Any) -> Iterator[None]:
        """A layer's stack file with other settings, for as long as the block runs; None removes a setting."""
        path = self.path / "projects" / layer / f"Pulumi.{env}.yaml"
        before = path.read_text()
        content = yaml.safe_load(before)
        named = {f"{project(layer)}:{key}": value for key, value in values.items()}
        content["config"] = {k: v for k, v in {**content["config"], **named}.items() if v is not None}
        path.write_text(yaml.safe_dump(content))
        try:
            yield
        finally:
            path.write_text(before)

    @contextmanager
    def source(self, name: str, old: str, new: str) -> Iterator[None]:
        """A source file with `old` replaced, for as long as the block runs."""
        path = self.path / name
        before = path.read_text()
        assert old in before, f"{name} does not hold {old!r} any more"
        path.write_text(before.replace(old, new))
        try:
            yield
        finally:
            path.write_text(before)


def make_clone(path: Path) -> Clone:
    """Copy what git tracks, as it is in the work tree, and what it would track."""
    for name in work_tree_files(ROOT):
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    lend_environment(path)
    return Clone(path)


def lend_environment(path: Path) -> None:
    """Give a clone the tests' own virtualenv, byte code included, which the SDK needs ten seconds to make.

    That `./inv` makes one from nothing is tested by CI, which begins in a clean clone, and in tests/test_inv.py.
    """
    shutil.copytree(ROOT / ".venv", path / ".venv", symlinks=True, copy_function=os.link)
    [finder] = (path / ".venv").rglob("__editable___txmon_*_finder.py")
    leads_here = finder.read_text().replace(f"'{ROOT}/", f"'{path}/")
    finder.unlink()  # what is written next must not reach the lender's file
    finder.write_text(leads_here)
    installed = path / ".venv/.installed"
    installed.unlink()
    made_from = "".join((path / name).read_text() for name in ("requirements.txt", "pyproject.toml"))
    installed.write_text(f"{path.resolve()}\n{made_from}")


@pytest.fixture(scope="module")
def new_clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Clone]]:
    """Makes clones; their local clouds are killed at the end, which spares them saving what nobody will read."""
    made: list[Clone] = []

    def make() -> Clone:
        made.append(make_clone(tmp_path_factory.mktemp("clone")))
        return made[-1]

    yield make
    for clone in made:
        for process in psutil.process_iter(["cmdline"]):
            if {"serve", str(clone.path / ".local")} <= set(process.info["cmdline"] or ()):
                process.kill()  # its emulator ends with it
        remove_servers(clone.path / ".local")


@pytest.fixture(scope="module")
def clone(new_clone: Callable[[], Clone]) -> Clone:
    """The module's clone; its tests run in order and share what is deployed."""
    return new_clone()


@pytest.fixture(scope="module")
def deployed(clone: Clone) -> Clone:
    """The module's clone with every layer deployed in the environment `local`."""
    done = clone.inv("deploy-all")
    assert done.code == 0, done.said
    return clone
