"""The database and the cache of a local environment, as an application's developer uses them."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import psutil
import pytest

from tools.localcloud.engines import owner

if TYPE_CHECKING:
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


def test_data_survives_a_stop_of_the_local_cloud(deployed: str, clone: Clone) -> None:
    first = _run_application(clone).split()

    assert clone.inv("local-down").code == 0
    assert owner.working_in(_servers(clone)) == []

    assert clone.inv("local-env").code == 0
    assert _run_application(clone).split() == [str(int(each) + 1) for each in first]


def test_a_second_deployment_and_a_rotation_change_nothing_else(deployed: str, clone: Clone) -> None:
    again = clone.inv("deploy-all")
    assert again.out.count("no changes") >= 5, again.out
    for what in ("database", "redis"):
        assert clone.inv("rotate", what, "--yes").code == 0
    assert _run_application(clone)


def test_a_killed_server_is_told_and_returns_with_the_local_cloud(deployed: str, clone: Clone) -> None:
    for each in owner.working_in(_servers(clone)):
        if "valkey-server" in " ".join(each.cmdline()):
            each.send_signal(signal.SIGKILL)
            each.wait(10)

    assert "redis-local (redis 7.1) has no server: it has ended" in " ".join(clone.inv("doctor").out.split())

    clone.inv("local-down")
    clone.inv("local-env")
    assert _run_application(clone)


def test_a_killed_local_cloud_leaves_no_server(deployed: str, clone: Clone) -> None:
    own = owner.working_in(_servers(clone))
    for number in (clone.cloud["emulator_pid"], clone.cloud["pid"]):
        os.kill(number, signal.SIGKILL)

    _gone, left = psutil.wait_procs(own, timeout=30)
    assert left == []

    assert clone.inv("deploy-all").code == 0  # both states begin anew
    assert _run_application(clone) == "1 1"


def test_in_the_end_nothing_is_left(deployed: str, clone: Clone) -> None:
    servers = _servers(clone)

    assert clone.inv("destroy-all", "--yes").code == 0
    assert clone.inv("local-down").code == 0

    assert owner.working_in(servers) == []
    assert not servers.exists()
    assert not os.path.lexists(clone.path / ".local/servers")
