"""The servers behind the endpoints that the emulator shows."""

from __future__ import annotations

import json
import os
import ssl
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis
import tenacity
from botocore.exceptions import ClientError
from pg8000 import DatabaseError, native

from tests.support.emulator import KEY, client, running
from tests.support.servers import remove_servers
from tools.localcloud import emulator
from tools.localcloud.home import AccessKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.local

PASSWORD = "first-password"  # noqa: S105 - of an emulator that ends with the test
TOKEN = "first-token-of-the-tests"  # noqa: S105 - as above
CONSUMER = "consumer"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers") / "home"


@pytest.fixture(scope="module")
def port(home: Path) -> Iterator[int]:
    """The port of an emulator that has an instance `db` and a replication group `cache`."""
    with running(home, servers="require") as made:
        emulator.start_servers(made, KEY)
        rds = client("rds", made)
        rds.create_db_parameter_group(
            DBParameterGroupName="own", DBParameterGroupFamily="postgres17", Description="own"
        )
        parameters = {
            "work_mem": "7168",
            "rds.force_ssl": "1",
            "max_connections": "LEAST({DBInstanceClassMemory/9},80)",
        }
        rds.modify_db_parameter_group(
            DBParameterGroupName="own",
            Parameters=[
                {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "pending-reboot"}
                for name, value in parameters.items()
            ],
        )
        create_instance(rds, "db", MasterUserPassword=PASSWORD, DBParameterGroupName="own")
        create_group(client("elasticache", made), "cache")
        yield made
        emulator.empty(made, KEY)
        emulator.start_servers(made, KEY)  # of which none are left


def create_instance(rds: Any, name: str, **arguments: Any) -> None:
    rds.create_db_instance(
        DBInstanceIdentifier=name, DBInstanceClass="db.t3.micro", Engine="postgres", EngineVersion="17",
        AllocatedStorage=20, MasterUsername="master", DBName="shop", EnableIAMDatabaseAuthentication=True,
        **arguments,
    )  # fmt: skip


def create_group(elasticache: Any, name: str) -> None:
    elasticache.create_replication_group(
        ReplicationGroupId=name, ReplicationGroupDescription=name, AuthToken=TOKEN, TransitEncryptionEnabled=True,
        CacheNodeType="cache.t3.micro", NumCacheClusters=2, AutomaticFailoverEnabled=True,
    )  # fmt: skip


def endpoint(port: int, name: str = "db") -> dict[str, Any]:
    [instance] = client("rds", port).describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    found: dict[str, Any] = instance["Endpoint"]
    return found


@contextmanager
def session(home: Path, at: dict[str, Any], user: str, password: str) -> Iterator[Any]:
    made = native.Connection(
        user, host=at["Address"], port=at["Port"], database="shop", password=password, timeout=20,
        ssl_context=ssl.create_default_context(cafile=home / "ca.pem"),
    )  # fmt: skip
    try:
        yield made
    finally:
        made.close()


def cache(home: Path, port: int, token: str) -> redis.Redis:
    [group] = client("elasticache", port).describe_replication_groups(ReplicationGroupId="cache")["ReplicationGroups"]
    [node] = group["NodeGroups"]
    at = node["PrimaryEndpoint"]
    assert node["ReaderEndpoint"] == at
    return redis.Redis(
        host=at["Address"], port=at["Port"], password=token, ssl=True, ssl_ca_certs=str(home / "ca.pem"), retry=None
    )


def test_the_endpoint_of_an_instance_leads_to_its_database(home: Path, port: int) -> None:
    at = endpoint(port)

    assert at["Port"] == 5432
    with session(home, at, "master", PASSWORD) as master:
        assert master.run("SHOW work_mem") == [["7MB"]]
        assert master.run("SELECT current_database()") == [["shop"]]


def test_the_cpu_of_an_instance_is_measured(port: int) -> None:
    of = {"Namespace": "AWS/RDS", "MetricName": "CPUUtilization", "Statistics": ["Average", "SampleCount"]}
    now = datetime.now(UTC)

    @tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.5), reraise=True)
    def measured() -> dict[str, float]:
        [point, *_] = client("cloudwatch", port).get_metric_statistics(
            **of, Dimensions=[{"Name": "DBInstanceIdentifier", "Value": "db"}], Period=3600,
            StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1),
        )["Datapoints"]  # fmt: skip
        return dict(point)

    found = measured()
    assert found["SampleCount"] >= 1
    assert 0 < found["Average"] < 100


def test_a_password_that_was_changed_is_the_servers(home: Path, port: int) -> None:
    modify = client("rds", port).modify_db_instance

    modify(DBInstanceIdentifier="db", MasterUserPassword="second-password")
    with pytest.raises(DatabaseError), session(home, endpoint(port), "master", PASSWORD):
        pass
    modify(DBInstanceIdentifier="db", MasterUserPassword=PASSWORD)
    with session(home, endpoint(port), "master", PASSWORD):
        pass


def test_a_managed_password_is_the_servers(home: Path, port: int) -> None:
    rds = client("rds", port)
    create_instance(rds, "managed", ManageMasterUserPassword=True)
    [instance] = rds.describe_db_instances(DBInstanceIdentifier="managed")["DBInstances"]
    arn = instance["MasterUserSecret"]["SecretArn"]
    secret = json.loads(client("secretsmanager", port).get_secret_value(SecretId=arn)["SecretString"])

    assert instance["Endpoint"]["Address"] != endpoint(port)["Address"]
    with session(home, instance["Endpoint"], secret["username"], secret["password"]):
        pass

    rds.delete_db_instance(DBInstanceIdentifier="managed", SkipFinalSnapshot=True)
    with pytest.raises(native.InterfaceError), session(home, instance["Endpoint"], "master", "any"):
        pass


@pytest.fixture(scope="module")
def consumer(home: Path, port: int) -> str:
    with session(home, endpoint(port), "master", PASSWORD) as master:
        for each in (
            "CREATE ROLE maker CREATEROLE", "GRANT maker TO CURRENT_USER WITH SET TRUE", "SET ROLE maker",
            f"CREATE ROLE {CONSUMER} LOGIN", "RESET ROLE", f"GRANT rds_iam TO {CONSUMER}", "DROP ROLE maker",
        ):  # fmt: skip
            master.run(each)
    return CONSUMER


def role_key(port: int, name: str, statement: dict[str, str] | None) -> AccessKey:
    """Return the temporary key of a new role that may do what a statement says."""
    iam, trust = client("iam", port), {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]["Arn"]
    if statement:
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
    made = client("sts", port).assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return AccessKey(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def token(port: int, user: str, key: AccessKey = KEY) -> str:
    at = endpoint(port)
    made: str = client("rds", port, key).generate_db_auth_token(at["Address"], at["Port"], user)
    return made


def test_a_role_with_the_right_logs_in_with_its_token(home: Path, port: int, consumer: str) -> None:
    [instance] = client("rds", port).describe_db_instances(DBInstanceIdentifier="db")["DBInstances"]
    resource = f"arn:aws:rds-db:ap-northeast-1:000000000000:dbuser:{instance['DbiResourceId']}/{consumer}"
    allowed = {"Effect": "Allow", "Action": "rds-db:connect", "Resource": resource}
    key = role_key(port, "allowed", allowed)

    with session(home, endpoint(port), consumer, token(port, consumer, key)) as own:
        assert own.run("SELECT current_user") == [[consumer]]
    with session(home, endpoint(port), consumer, token(port, consumer)):
        pass  # the account's root


@pytest.mark.parametrize("case", ["other user", "no right", "unknown key", "emulator's key", "tampered"])
def test_other_tokens_are_refused(case: str, home: Path, port: int, consumer: str) -> None:
    made = {
        "other user": lambda: token(port, "master"),
        "no right": lambda: token(port, consumer, role_key(port, "denied", None)),
        "unknown key": lambda: token(port, consumer, AccessKey("AKIAUNKNOWN", KEY.secret)),
        "emulator's key": lambda: token(port, consumer, AccessKey("test", "test")),
        "tampered": lambda: token(port, consumer).replace("X-Amz-Expires=900", "X-Amz-Expires=899"),
    }[case]()

    refused = pytest.raises(DatabaseError, match="PAM authentication failed")
    with refused, session(home, endpoint(port), consumer, made):
        pass


def test_the_endpoint_of_a_group_leads_to_its_server(home: Path, port: int) -> None:
    assert cache(home, port, TOKEN).set("key", "value")
    with pytest.raises(redis.AuthenticationError):
        cache(home, port, "another").ping()


def test_tokens_are_rotated_and_then_set(home: Path, port: int) -> None:
    modify, second = client("elasticache", port).modify_replication_group, "second-token-of-the-tests"

    modify(ReplicationGroupId="cache", AuthToken=second, AuthTokenUpdateStrategy="ROTATE")
    assert cache(home, port, TOKEN).ping()
    assert cache(home, port, second).ping()

    with pytest.raises(ClientError, match="needs two AUTH tokens, of which it takes the one that was rotated last"):
        modify(ReplicationGroupId="cache", AuthToken=TOKEN, AuthTokenUpdateStrategy="SET")
    modify(ReplicationGroupId="cache", AuthToken=second, AuthTokenUpdateStrategy="SET")
    with pytest.raises(redis.AuthenticationError):
        cache(home, port, TOKEN).ping()
    assert cache(home, port, second).ping()


def test_a_reboot_takes_new_parameters_and_keeps_data(home: Path, port: int) -> None:
    rds, at = client("rds", port), endpoint(port)
    with session(home, at, "master", PASSWORD) as master:
        master.run("CREATE TABLE kept AS SELECT 1 AS x")
    changed = {"ParameterName": "work_mem", "ParameterValue": "8192", "ApplyMethod": "pending-reboot"}
    rds.modify_db_parameter_group(DBParameterGroupName="own", Parameters=[changed])

    rds.reboot_db_instance(DBInstanceIdentifier="db")

    assert endpoint(port) == at
    with session(home, at, "master", PASSWORD) as master:
        assert master.run("SHOW work_mem") == [["8MB"]]
        assert master.run("SELECT x FROM kept") == [[1]]


def numbers(home: Path, port: int, name: str) -> list[list[int]]:
    with session(home, endpoint(port, name), "master", PASSWORD) as master:
        found: list[list[int]] = master.run("SELECT x FROM numbers ORDER BY x")
        return found


def test_a_snapshot_brings_its_data_back_under_the_same_name(home: Path, port: int) -> None:
    rds = client("rds", port)
    create_instance(rds, "lost", MasterUserPassword=PASSWORD)
    with session(home, endpoint(port, "lost"), "master", PASSWORD) as master:
        master.run("CREATE TABLE numbers AS SELECT 1 AS x")
        rds.create_db_snapshot(DBInstanceIdentifier="lost", DBSnapshotIdentifier="good")
        master.run("INSERT INTO numbers VALUES (2)")
    with pytest.raises(ClientError, match="already exists"):
        rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="lost", DBSnapshotIdentifier="good")

    rds.modify_db_instance(DBInstanceIdentifier="lost", NewDBInstanceIdentifier="replaced")
    rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="lost", DBSnapshotIdentifier="good")

    assert numbers(home, port, "lost") == [[1]]
    assert numbers(home, port, "replaced") == [[1], [2]]
    names = ("lost", "replaced")
    found = [rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0] for name in names]
    assert found[0]["DbiResourceId"] != found[1]["DbiResourceId"]
    assert [each["DBInstanceArn"].rpartition(":")[2] for each in found] == ["lost", "replaced"]
    assert found[0]["MasterUsername"] == "master"
    for name in names:
        rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    rds.delete_db_snapshot(DBSnapshotIdentifier="good")


def test_a_final_snapshot_survives_its_instance_and_a_restart(tmp_path: Path) -> None:
    own = tmp_path / "home"
    with running(own, servers="require") as port:
        create_instance(client("rds", port), "db", MasterUserPassword=PASSWORD)
        with session(own, endpoint(port), "master", PASSWORD) as master:
            master.run("CREATE TABLE numbers AS SELECT 1 AS x")
        client("rds", port).delete_db_instance(DBInstanceIdentifier="db", FinalDBSnapshotIdentifier="last")
    with running(own, servers="require") as port:
        emulator.start_servers(port, KEY)
        rds = client("rds", port)
        rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="db", DBSnapshotIdentifier="last")
        assert numbers(own, port, "db") == [[1]]
        with pytest.raises(ClientError, match="DBSnapshotAlreadyExists"):
            rds.delete_db_instance(DBInstanceIdentifier="db", FinalDBSnapshotIdentifier="last")
        rds.delete_db_instance(DBInstanceIdentifier="db", SkipFinalSnapshot=True)
        assert [*(own / "servers").glob("snapshot-*/data")]
        rds.delete_db_snapshot(DBSnapshotIdentifier="last")
        assert not [*(own / "servers").glob("snapshot-*")]
    remove_servers(own)


def test_the_emulators_files_have_no_master_password(home: Path, tmp_path: Path) -> None:
    own = tmp_path / "home"
    with running(own, servers="require") as port:
        create_instance(client("rds", port), "db", MasterUserPassword="a-secret-password")

    remove_servers(own)
    saved = "".join(each.read_text(encoding="utf-8") for each in (own / "emulator").iterdir())
    assert '"db"' in saved
    assert "a-secret-password" not in saved


def test_servers_return_with_their_data_and_follow_the_state(tmp_path: Path) -> None:
    own = tmp_path / "home"
    with running(own, servers="require") as port:
        create_instance(client("rds", port), "db", MasterUserPassword=PASSWORD)
        at = endpoint(port)
        with session(own, at, "master", PASSWORD) as master:
            master.run("CREATE TABLE kept (x int)")
    assert (own / "servers").exists()

    with running(own, servers="require") as port:
        emulator.start_servers(port, KEY)
        assert endpoint(port) == at
        [found] = emulator.servers(port, KEY)
        assert (found.name, str(found.program)[:13]) == ("db", "PostgreSQL 17")
        with session(own, at, "master", PASSWORD) as master:
            assert master.run("SELECT * FROM kept") == []

        emulator.empty(port, KEY)
        emulator.start_servers(port, KEY)
        assert emulator.servers(port, KEY) == []
    assert not os.path.lexists(own / "servers")


def test_data_that_is_gone_is_told(tmp_path: Path) -> None:
    own = tmp_path / "home"
    with running(own, servers="require") as port:
        create_group(client("elasticache", port), "cache")
    [data] = (own / "servers").glob("*/data")
    data.rename(data.with_name("moved"))

    with running(own, servers="require") as port:
        emulator.start_servers(port, KEY)
        [found] = emulator.servers(port, KEY)
        assert found.program is None
        assert "is gone" in str(found.fault)
    remove_servers(own)


def test_without_servers_an_instance_is_made_all_the_same(tmp_path: Path) -> None:
    with running(tmp_path / "home", servers="off") as port:
        create_instance(client("rds", port), "db", MasterUserPassword=PASSWORD)
        [found] = emulator.servers(port, KEY)

    assert (found.program, found.endpoint, found.fault) == (None, "", None)
