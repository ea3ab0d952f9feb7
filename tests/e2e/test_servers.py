"""The database and the cache of a local environment, as an application's developer uses them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest
import redis

from tools.localcloud.servers import owner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Clone

pytestmark = pytest.mark.local

APPLICATION = """
import json, os, ssl
import boto3, redis
from pg8000 import native

secrets = boto3.client("secretsmanager")
def secret(name):
    return secrets.get_secret_value(SecretId=os.environ[name])["SecretString"]

login = json.loads(secret("RDS_SECRET_ARN"))
token = secret("REDIS_SECRET_ARN")
token = json.loads(token)["auth_token"] if token.startswith("{") else token
database = native.Connection(
    login["username"], host=os.environ["RDS_ADDRESS"], port=int(os.environ["RDS_PORT"]), password=login["password"],
    database=os.environ["RDS_DATABASE_NAME"], ssl_context=ssl.create_default_context(),
)
cache = redis.Redis(host=os.environ["REDIS_ENDPOINT"], port=int(os.environ["REDIS_PORT"]), password=token, ssl=True)
database.run("CREATE TABLE IF NOT EXISTS visits (at timestamptz)")
database.run("INSERT INTO visits VALUES (now())")
print(database.run("SELECT count(*) FROM visits")[0][0], cache.incr("visits"))
"""


def _run_application(clone: Clone) -> str:
    """Run the program with nothing but what the outputs say."""
    found = subprocess.run(
        ["bash", "-euc", 'set -a; source /dev/stdin; exec "$PYTHON" -c "$APPLICATION"'],
        input=clone.inv("outputs", "--format", "env").out,
        env=clone.environment(APPLICATION=APPLICATION, PYTHON=str(clone.path / ".venv/bin/python")),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@pytest.fixture(scope="module")
def deployed(clone: Clone) -> str:
    done = clone.inv("deploy-all", TXMON_LOCAL_ENGINES="require")
    assert done.code == 0, done.said
    return done.out


def _servers(clone: Clone) -> Path:
    return (clone.path / ".local/servers").resolve()


def test_the_summary_and_doctor_name_what_stands_there(deployed: str, clone: Clone) -> None:
    assert "txdb-local (postgres 17) is PostgreSQL 17." in deployed
    assert "redis-local (redis 7.1) is Valkey " in deployed
    assert "txdb-local (postgres 17) is PostgreSQL 17." in " ".join(clone.inv("doctor").out.split())


def test_an_application_needs_only_the_outputs(deployed: str, clone: Clone) -> None:
    assert _run_application(clone) == "1 1"


@pytest.mark.parametrize(
    ("program", "question", "answer"), [("psql", "SELECT current_user", "tx_consumer"), ("redis-cli", "PING", "PONG")]
)
def test_the_clients_of_the_documentation_log_in(
    deployed: str, clone: Clone, program: str, question: str, answer: str
) -> None:
    path = os.pathsep.join([*map(str, _servers(clone).glob("postgresql*/bin")), os.environ["PATH"]])
    for needed in (program, "aws"):
        if shutil.which(needed, path=path) is None:
            pytest.skip(f"{needed} is not installed")

    answered = _run_documented(clone, program, question, path)

    assert answer in answered


def test_the_documented_python_prints_a_secret(deployed: str, clone: Clone) -> None:
    login = json.loads(_run_documented(clone, ".venv/bin/python", "", os.environ["PATH"]))

    assert login["username"] == "txadmin"


def _run_documented(clone: Clone, program: str, text: str, path: str) -> str:
    """Run the command of docs/environments.md that runs a program, with a text as its standard input."""
    page = (clone.path / "docs/environments.md").read_text(encoding="utf-8").replace("\\\n", "")
    commands = [line.removeprefix("$ ") for line in page.splitlines() if line.startswith("$ ")]
    [variables] = [command for command in commands if "source <(" in command]
    [command] = [command for command in commands if f" {program} " in f" {command}"]
    done = subprocess.run(
        ["bash", "-euc", f"{variables}\n{command}"],
        input=text, env=clone.environment(PATH=path), cwd=clone.path,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_data_survives_a_stop_of_the_local_cloud(deployed: str, clone: Clone) -> None:
    first = _run_application(clone).split()

    assert clone.inv("local-down").code == 0
    assert owner.working_in(_servers(clone)) == []

    assert clone.inv("local-env").code == 0
    assert _run_application(clone).split() == [str(int(each) + 1) for each in first]


def test_a_second_deployment_and_a_rotation_change_nothing_else(deployed: str, clone: Clone) -> None:
    again = clone.inv("deploy-all")
    assert again.out.count("no changes") >= 5, again.out
    assert clone.inv("rotate", "database", "--yes").code == 0
    assert _run_application(clone)


FAILS = ("\nconfig = ", '\nfrom pulumi import RunError\nraise RunError("stopped")\nconfig = ')
SECURITY_FAILS = ("projects/security/__main__.py", *FAILS)
DATA_FAILS = ("projects/data/__main__.py", *FAILS)
SET_FAILS = (
    "projects/data/cache.py", 'return "SET" if stage_of(version) == CURRENT and version > 1 else "ROTATE"',
    'if version == 3:\n        raise pulumi.RunError("stopped")\n    return "ROTATE"',
)  # fmt: skip


@pytest.mark.slow
def test_nobody_is_locked_out_of_redis_wherever_a_rotation_stops(deployed: str, clone: Clone) -> None:
    tokens = Tokens(clone)
    assert tokens.state() == ("AWSCURRENT=1", "1")

    for fault, expected in (
        (DATA_FAILS, ("AWSCURRENT=1 AWSPENDING=2", "1")),
        (SECURITY_FAILS, ("AWSCURRENT=1 AWSPENDING=2", "1 2")),
        (SET_FAILS, ("AWSCURRENT=2 AWSPREVIOUS=1", "1 2")),
    ):
        with clone.source(*fault):
            stopped = clone.inv("rotate", "redis")
        assert stopped.code == 1
        assert "the rotation is not finished: ./inv rotate redis --env local goes on with it" in stopped.out
        assert tokens.state() == expected, stopped.said

    # ElastiCache may have taken the second token alone already, and then does not a second time.
    assert clone.inv("rotate", "redis").code == 0
    assert tokens.state() == ("AWSCURRENT=3 AWSPREVIOUS=2", "3")
    assert _run_application(clone)
    assert clone.inv("status").out.count("stale") == 0


class Tokens:
    """The tokens of Redis that Secrets Manager has had, by number."""

    def __init__(self, clone: Clone) -> None:
        self._clone = clone
        self._known: list[str] = []

    def state(self) -> tuple[str, str]:
        """Return which token each stage has, and which tokens Redis takes."""
        secrets, stages = self._clone.client("secretsmanager"), {}
        for version in secrets.list_secret_version_ids(SecretId="redis-auth-local")["Versions"]:
            found = secrets.get_secret_value(SecretId="redis-auth-local", VersionId=version["VersionId"])
            if "SecretString" not in found:
                continue  # the emulator's first version of a secret is empty
            token = found["SecretString"]
            if token not in self._known:
                self._known.append(token)
            stages |= dict.fromkeys(version["VersionStages"], self._known.index(token) + 1)
        taken = [str(number) for number, token in enumerate(self._known, 1) if self._is_taken(token)]
        return " ".join(f"{stage}={number}" for stage, number in sorted(stages.items())), " ".join(taken)

    def _is_taken(self, token: str) -> bool:
        [group] = self._clone.client("elasticache").describe_replication_groups()["ReplicationGroups"]
        at = group["NodeGroups"][0]["PrimaryEndpoint"]
        trusted = str(self._clone.path / ".local/ca.pem")
        try:
            with redis.Redis(at["Address"], at["Port"], password=token, ssl=True, ssl_ca_certs=trusted) as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return False


def test_a_killed_server_is_told_and_returns_with_the_local_cloud(deployed: str, clone: Clone) -> None:
    for each in owner.working_in(_servers(clone)):
        if "valkey-server" in " ".join(each.cmdline()):
            each.send_signal(signal.SIGKILL)
            each.wait(10)

    assert "redis-local (redis 7.1) has no server: it has ended" in " ".join(clone.inv("doctor").out.split())

    clone.inv("local-down")
    clone.inv("local-env")
    assert _run_application(clone)


def test_a_killed_local_cloud_leaves_no_server_and_goes_on_with_its_data(deployed: str, clone: Clone) -> None:
    first = _run_application(clone).split()
    own = owner.working_in(_servers(clone))
    clone.kill()

    _gone, left = psutil.wait_procs(own, timeout=30)
    assert left == []

    assert clone.inv("local-env").code == 0
    assert _run_application(clone).split() == [str(int(each) + 1) for each in first]


def test_in_the_end_nothing_is_left(deployed: str, clone: Clone) -> None:
    servers = _servers(clone)

    assert clone.inv("destroy-all", "--yes").code == 0
    assert clone.inv("local-down").code == 0

    assert owner.working_in(servers) == []
    assert not servers.exists()
    assert not os.path.lexists(clone.path / ".local/servers")


@pytest.mark.slow
def test_without_servers_transactions_wait_in_the_stream(new_clone: Callable[[], Clone]) -> None:
    clone, off = new_clone(), {"TXMON_LOCAL_ENGINES": "off"}
    done = clone.inv("deploy-all", **off)
    assert done.code == 0, done.said
    assert "txdb-local (postgres 17) has no server" in done.out

    assert clone.inv("send", "--count", "10", **off).code == 0
    done = clone.inv("transactions", **off)
    assert done.code == 1
    assert "no server runs for PostgreSQL or Redis here, so that transactions stay in the stream" in done.err
