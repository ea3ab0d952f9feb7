"""Tests the local cloud and its provider with the real Pulumi engine."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psutil
import pytest
import tenacity

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.lifecycle import LocalCloud

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.localcloud.home import Cloud
    from tools.localcloud.schema.values import Props

pytestmark = pytest.mark.local
PROGRAMS = Path(__file__).with_name("localcloud_programs")
ENGINE = "engine-v3.274.1"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
QUEUE = "aws:sqs/queue:Queue"
SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105 - a type
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
BUDGET = "aws:budgets/budget:Budget"


@pytest.fixture(scope="session")
def engine_path() -> str:
    """The folder of the Pulumi engine."""
    found = shutil.which("pulumi")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "txmon" / ENGINE
    folder = Path(found).parent if found else cache
    if not (folder / "pulumi").exists():
        pytest.skip("no Pulumi engine: ./inv doctor says how to get one")
    return str(folder)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A running local cloud for the tests that leave it running."""
    with running(tmp_path_factory.mktemp("cloud") / ".local") as made:
        yield made


@contextmanager
def running(home: Path) -> Iterator[LocalCloud]:
    """Start a local cloud without servers in `home`, and stop it in the end."""
    made = LocalCloud(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TXMON_LOCAL_ENGINES", "off")
        made.start()
    try:
        yield made
    finally:
        made.stop()


@dataclass
class Run:
    """The result of one command of the engine."""

    code: int
    text: str
    steps: dict[str, str] = field(default_factory=dict)  # resource name -> operation
    diffs: dict[str, dict[str, Any]] = field(default_factory=dict)  # resource name -> path -> kind


class Stack:
    """A copy of a program, and a stack for it."""

    def __init__(self, program: str, folder: Path, cloud: LocalCloud, engine: str) -> None:
        shutil.copytree(PROGRAMS / program, folder)
        self.folder, self.cloud, self.project = folder, cloud, yaml_name(folder)
        self.name = f"test-{secrets.token_hex(3)}"
        path = os.pathsep.join((engine, str(Path(sys.executable).parent), os.environ["PATH"]))
        debug = {"PULUMI_DEBUG_COMMANDS": "true"}  # it allows --event-log
        self.environment = os.environ | cloud.variables() | {"PATH": path} | debug
        self.pulumi("stack", "init", self.name)

    def pulumi(self, *arguments: str, fails: bool = False) -> Run:
        events = self.folder / "events.json"
        events.unlink(missing_ok=True)
        logging = ["--event-log", str(events)] if arguments[0] in ("up", "preview", "refresh", "destroy") else []
        done = subprocess.run(
            ["pulumi", *arguments, *logging, "--non-interactive", "--color=never"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        run = Run(done.returncode, done.stdout + done.stderr)
        assert (run.code != 0) == fails, run.text
        for line in events.read_text().splitlines() if events.exists() else ():
            event = json.loads(line).get("resourcePreEvent")
            if event:
                step = event["metadata"]
                name = step["urn"].rsplit("::", 1)[-1]
                run.steps[name] = step["op"]
                run.diffs[name] = {path: diff["diffKind"] for path, diff in (step.get("detailedDiff") or {}).items()}
        return run

    def up(self, *arguments: str, fails: bool = False) -> Run:
        return self.pulumi("up", "--yes", "--skip-preview", *arguments, fails=fails)

    def preview(self, *arguments: str, fails: bool = False) -> Run:
        return self.pulumi("preview", *arguments, fails=fails)

    def refresh(self, *arguments: str) -> Run:
        return self.pulumi("refresh", "--yes", "--skip-preview", *arguments)

    def destroy(self, *arguments: str, fails: bool = False) -> Run:
        return self.pulumi("destroy", "--yes", "--skip-preview", *arguments, fails=fails)

    def declare(
        self, *resources: Any, provider: Props | None = None, calls: Sequence[tuple[str, Props]] = ()
    ) -> None:
        """Write the resources, (name, type, inputs, options) each, that the program `declared` reads."""
        written = [
            {"name": name, "type": kind, "inputs": inputs, "options": options[0] if options else {}}
            for name, kind, inputs, *options in resources
        ]
        declared = {
            "provider": {"region": "ap-northeast-1", **(provider or {})},
            "resources": written,
            "calls": [{"function": function, "arguments": arguments} for function, arguments in calls],
        }
        (self.folder / "resources.json").write_text(json.dumps(declared))

    @property
    def state_text(self) -> str:
        return (self.cloud.state / ".pulumi" / "stacks" / self.project / f"{self.name}.json").read_text()

    def resource(self, name: str) -> dict[str, Any]:
        resources = json.loads(self.state_text)["checkpoint"]["latest"]["resources"]
        return next(each for each in resources if each["urn"].endswith(f"::{name}"))

    def aws(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name="ap-northeast-1",
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )


def yaml_name(folder: Path) -> str:
    return (folder / "Pulumi.yaml").read_text().splitlines()[0].removeprefix("name: ")


@pytest.fixture
def stack(tmp_path: Path, cloud: LocalCloud, engine_path: str) -> Stack:
    return Stack("declared", tmp_path / "declared", cloud, engine_path)


def changed(run: Run) -> dict[str, str]:
    """Return resource name -> operation for the resources that a command changed."""
    return {
        name: op
        for name, op in run.steps.items()
        if op not in ("same", "refresh", "read") and not name.startswith(("test", "declared-", "every-type-"))
    }


def test_every_type_can_be_created_read_updated_and_deleted(
    tmp_path: Path, cloud: LocalCloud, engine_path: str
) -> None:
    stack = Stack("every_type", tmp_path / "every", cloud, engine_path)
    before = leftovers(stack)
    stack.pulumi("config", "set-all", "--plaintext", "name=one", "--plaintext", "serial=1")

    planned = stack.preview()
    assert leftovers(stack) == before, "a preview creates nothing"

    created = stack.up()
    assert set(changed(created).values()) == {"create"}
    assert changed(created).keys() == changed(planned).keys()
    assert changed(stack.preview()) == {}, "a second run changes nothing"
    refreshed = stack.refresh("--expect-no-changes")
    assert changed(refreshed) == {}, "the emulator returns what was set"

    for secret in ("a-plain-value", json.loads(secret_value(stack, "every-type"))["password"]):
        assert secret not in stack.state_text
    for name, write_only in (
        ("version", "secretStringWo"),
        ("database", "passwordWo"),
        ("redis", "authTokenWo"),
    ):
        state = stack.resource(name)
        assert write_only not in state["inputs"] | state["outputs"]

    old_password = secret_value(stack, "every-type")
    stack.pulumi("config", "set-all", "--plaintext", "name=two", "--plaintext", "serial=2")
    updated = stack.up()
    assert changed(updated).pop("version") in ("replace", "create-replacement", "delete-replaced")
    assert updated.steps["database"] == updated.steps["redis"] == "update"
    assert updated.diffs["vpc"] == {"tags.Name": "update"}
    assert updated.diffs["database"] == {"tags.Name": "update", "passwordWoVersion": "update"}
    changes = {"tags.Name": "update", "environment.variables.SERIAL": "update", "code": "update"}
    assert updated.diffs["function"] == changes
    assert updated.diffs["mapping"] == {"tags.Name": "update", "batchSize": "update"}
    assert json.loads(stack.resource("invocation")["outputs"]["result"]) == {
        "asked": 2, "variable": "2", "code": "2",
    }  # fmt: skip
    assert secret_value(stack, "every-type") != old_password
    assert stack.resource("database")["outputs"]["port"] == 5432, "a value that AWS chose is kept"
    assert stack.resource("redis")["outputs"]["memberClusters"] == ["every-type-001", "every-type-002"]
    assert changed(stack.preview()) == {}

    stack.destroy()
    assert leftovers(stack) == before


def secret_value(stack: Stack, name: str) -> str:
    return stack.aws("secretsmanager").get_secret_value(SecretId=name)["SecretString"]


def leftovers(stack: Stack) -> dict[str, Any]:
    """Return what the emulator has, by kind."""
    return {
        "vpcs": len(stack.aws("ec2").describe_vpcs()["Vpcs"]),
        "groups": len(stack.aws("ec2").describe_security_groups()["SecurityGroups"]),
        "endpoints": stack.aws("ec2").describe_vpc_endpoints()["VpcEndpoints"],
        "flow logs": stack.aws("ec2").describe_flow_logs()["FlowLogs"],
        "keys": stack.aws("kms").list_aliases()["Aliases"],
        "roles": [role["RoleName"] for role in stack.aws("iam").list_roles()["Roles"]],
        "policies": stack.aws("iam").list_policies(Scope="Local")["Policies"],
        "secrets": [each["Name"] for each in stack.aws("secretsmanager").list_secrets()["SecretList"]],
        "streams": stack.aws("kinesis").list_streams()["StreamNames"],
        "functions": stack.aws("lambda").list_functions()["Functions"],
        "mappings": stack.aws("lambda").list_event_source_mappings()["EventSourceMappings"],
        "queues": stack.aws("sqs").list_queues().get("QueueUrls", []),
        "instances": stack.aws("rds").describe_db_instances()["DBInstances"],
        "db groups": stack.aws("rds").describe_db_parameter_groups()["DBParameterGroups"],
        "caches": stack.aws("elasticache").describe_replication_groups()["ReplicationGroups"],
        "log groups": stack.aws("logs").describe_log_groups()["logGroups"],
        "alarms": stack.aws("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": stack.aws("cloudwatch").list_dashboards()["DashboardEntries"],
        "rules": stack.aws("events").list_rules()["Rules"],
        "topics": stack.aws("sns").list_topics()["Topics"],
        "budgets": stack.aws("budgets").describe_budgets(AccountId="000000000000").get("Budgets", []),
    }


def test_refresh_sees_drift_and_up_corrects_it(stack: Stack) -> None:
    stack.declare(
        ("logs", LOG_GROUP, {"name": "/drift", "retentionInDays": 7, "tags": {"a": "b"}}),
        ("gone", QUEUE, {"name": "drift"}),
    )
    stack.up()
    stack.aws("logs").put_retention_policy(logGroupName="/drift", retentionInDays=30)
    stack.aws("sqs").delete_queue(QueueUrl=stack.resource("gone")["id"])

    stack.refresh()
    drifted = stack.resource("logs")
    assert drifted["outputs"]["retentionInDays"] == drifted["inputs"]["retentionInDays"] == 30
    mended = stack.up()
    assert mended.steps["logs"] == "update"
    assert mended.diffs["logs"] == {"retentionInDays": "update"}
    assert mended.steps["gone"] == "create"
    groups = stack.aws("logs").describe_log_groups(logGroupNamePrefix="/drift")["logGroups"]
    assert groups[0]["retentionInDays"] == 7

    stack.aws("sqs").delete_queue(QueueUrl=stack.resource("gone")["id"])
    stack.destroy()  # deleting a resource that no longer exists is not an error


def test_only_a_fixed_name_is_deleted_before_it_is_replaced(stack: Stack) -> None:
    def declare(group_class: str) -> None:
        stack.declare(
            ("fixed", LOG_GROUP, {"name": "/fixed", "logGroupClass": group_class}),
            ("automatic", LOG_GROUP, {"logGroupClass": group_class}),
        )

    declare("STANDARD")
    stack.up()
    first = stack.resource("automatic")["id"]
    assert first.startswith("automatic-")
    assert len(first) == len("automatic-") + 7
    declare("INFREQUENT_ACCESS")
    events = stack.folder / "events.json"
    replaced = stack.up()
    assert replaced.diffs["fixed"] == {"logGroupClass": "update-replace"}
    ops = [
        (meta["urn"].rsplit("::", 1)[-1], meta["op"])
        for line in events.read_text().splitlines()
        if (meta := json.loads(line).get("resourcePreEvent", {}).get("metadata"))
    ]
    assert ops.index(("fixed", "delete-replaced")) < ops.index(("fixed", "create-replacement"))
    assert ops.index(("automatic", "create-replacement")) < ops.index(("automatic", "delete-replaced"))
    assert stack.resource("automatic")["id"] != first


def test_a_subnet_can_move_to_another_route_table(stack: Stack) -> None:
    def declare(table: str) -> None:
        stack.declare(
            ("vpc", "aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16"}),
            ("subnet", "aws:ec2/subnet:Subnet", {"vpcId": "${vpc}", "cidrBlock": "10.0.0.0/24"}),
            ("one", "aws:ec2/routeTable:RouteTable", {"vpcId": "${vpc}"}),
            ("two", "aws:ec2/routeTable:RouteTable", {"vpcId": "${vpc}"}),
            (
                "association",
                "aws:ec2/routeTableAssociation:RouteTableAssociation",
                {"subnetId": "${subnet}", "routeTableId": table},
            ),
        )

    def associated() -> list[str]:
        tables = stack.aws("ec2").describe_route_tables()["RouteTables"]
        subnet = stack.resource("subnet")["id"]
        return [t["RouteTableId"] for t in tables for a in t["Associations"] if a.get("SubnetId") == subnet]

    declare("${one}")
    stack.up()
    declare("${two}")
    assert stack.up().steps["association"] == "update"
    assert associated() == [stack.resource("two")["id"]]
    assert changed(stack.refresh("--expect-no-changes")) == {}
    stack.destroy("--target", f"{stack.resource('association')['urn']}")
    assert associated() == []
    stack.destroy()


def test_the_next_up_continues_a_create_that_failed_half_way(stack: Stack) -> None:
    notification = {
        "comparisonOperator": "GREATER_THAN",
        "notificationType": "ACTUAL",
        "threshold": 80,
        "thresholdType": "PERCENTAGE",
    }
    budget = {
        "name": "half",
        "budgetType": "COST",
        "timeUnit": "MONTHLY",
        "limitAmount": "10",
        "limitUnit": "USD",
    }
    nobody = budget | {"notifications": [notification]}
    somebody = budget | {"notifications": [notification | {"subscriberEmailAddresses": ["a@example.com"]}]}
    stack.declare(("half", BUDGET, nobody))
    failed = stack.up(fails=True)
    assert "Subscribers" in failed.text
    assert "tools/localcloud" not in failed.text, "no traceback of the provider"
    assert stack.resource("half")["id"] == "000000000000:half", "Pulumi knows the resource"
    assert stack.resource("half")["initErrors"]
    urn = stack.resource("half")["urn"]
    assert stack.cloud.created([urn]) == {urn: "000000000000:half"}, "an engine that was killed does not know it"
    stack.refresh()
    assert stack.resource("half")["outputs"]["__pending"] == ["notifications"], "a refresh does not forget it"

    stack.declare(("half", BUDGET, somebody))
    mended = stack.up()
    assert mended.steps["half"] == "update"
    told = stack.aws("budgets").describe_notifications_for_budget(AccountId="000000000000", BudgetName="half")
    assert len(told["Notifications"]) == 1
    assert changed(stack.preview()) == {}


def test_a_failed_create_is_one_line_and_can_be_repeated(stack: Stack) -> None:
    stack.aws("logs").create_log_group(logGroupName="/taken")
    stack.declare(("taken", LOG_GROUP, {"name": "/taken"}))
    failed = stack.up(fails=True)
    assert "ResourceAlreadyExistsException" in failed.text
    assert "tools/localcloud" not in failed.text, "no traceback of the provider"
    stack.aws("logs").delete_log_group(logGroupName="/taken")
    assert stack.up().steps["taken"] == "create"


def test_an_unknown_input_is_refused_in_the_preview(stack: Stack) -> None:
    stack.declare(("bad", SECRET, {"namee": {"secret": "not-to-be-seen"}}))
    refused = stack.preview(fails=True)
    assert "does not know the input 'namee'" in refused.text
    assert "not-to-be-seen" not in refused.text
    assert "tools/localcloud" not in refused.text, "no traceback of the provider"


def test_a_duplicate_rule_of_a_security_group_is_refused(stack: Stack) -> None:
    ports = {"ipProtocol": "tcp", "fromPort": 1, "toPort": 1}
    rule = {"securityGroupId": "${group}", "referencedSecurityGroupId": "${group}", **ports}
    kind = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    stack.declare(
        ("vpc", "aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16"}),
        ("group", "aws:ec2/securityGroup:SecurityGroup", {"vpcId": "${vpc}"}),
        ("one", kind, rule),
        ("two", kind, rule, {}),
    )
    assert "InvalidPermission.Duplicate" in stack.up("--parallel=1", fails=True).text


def test_secrets_stay_secret(stack: Stack) -> None:
    word = "correct-horse-battery"
    made = (
        ("secret", SECRET, {"name": "words", "recoveryWindowInDays": 0}),
        ("version", VERSION, {"secretId": "${secret}", "secretString": {"secret": word}}),
    )
    stack.declare(*made)
    stack.up()
    asked = [("aws:secretsmanager/getSecretVersion:getSecretVersion", {"secretId": "words"})]
    stack.declare(*made, calls=asked)
    done = stack.up()
    assert "secretString" in done.text or "[secret]" in done.text
    assert word not in done.text
    assert word not in stack.refresh("--diff").text
    assert word not in stack.state_text
    assert secret_value(stack, "words") == word
    stack.declare(*made, ("bad", VERSION, {"secretId": {"secret": f"no-such-{word}"}, "secretString": "x"}))
    failed = stack.up(fails=True)
    assert "ResourceNotFoundException" in failed.text
    assert word not in failed.text
    assert word not in (stack.cloud.home / "cloud.log").read_text()
    stack.declare(calls=[("aws:secretsmanager/getSecret:getSecret", {"name": "nowhere"})])
    assert "the secret nowhere does not exist" in stack.preview(fails=True).text


def test_provider_settings_are_obeyed_or_refused(stack: Stack) -> None:
    queue = ("queue", QUEUE, {"name": "settings", "tags": {"Own": "1"}})
    wrong = {
        "allowedAccountIds": ["111111111111"],
        "endpoints": [{"sqs": "https://sqs.ap-northeast-1.amazonaws.com"}],
        "assumeRoles": [{"roleArn": "arn:x"}],
    }
    stack.declare(queue, provider=wrong)
    refused = stack.preview(fails=True).text
    assert "account 000000000000 is not among 111111111111" in refused
    assert "only talks to this machine" in refused
    assert "does not know the setting 'assumeRoles'" in refused
    stack.declare(queue, provider={"region": "us-east-1", "defaultTags": {"tags": {"Layer": "x"}}})
    stack.up()
    outputs = stack.resource("queue")["outputs"]
    assert outputs["arn"] == "arn:aws:sqs:us-east-1:000000000000:settings"
    assert outputs["tagsAll"] == {"Own": "1", "Layer": "x"}
    assert outputs["tags"] == {"Own": "1"}
    stack.declare(queue, provider={"region": "us-east-1", "defaultTags": {"tags": {"Layer": "y"}}})
    assert stack.up().steps["queue"] == "update"


def test_an_endpoint_on_another_machine_is_refused(stack: Stack) -> None:
    stack.declare(("queue", QUEUE, {"name": "elsewhere"}))
    stack.environment["AWS_ENDPOINT_URL"] = "https://sqs.ap-northeast-1.amazonaws.com"
    assert "only talks to this machine" in stack.preview(fails=True).text


def test_what_exists_is_imported_and_a_protected_resource_stays(stack: Stack) -> None:
    url = stack.aws("sqs").create_queue(QueueName="found", Attributes={"MessageRetentionPeriod": "90"})["QueueUrl"]
    declared = {"name": "found", "messageRetentionSeconds": 90}
    stack.declare(("found", QUEUE, declared, {"import_": url, "protect": True}))
    assert stack.up().steps["found"] == "import"
    stack.declare(("found", QUEUE, declared, {"protect": True}))
    assert changed(stack.preview()) == {}
    assert "protected" in stack.destroy(fails=True).text
    assert stack.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    stack.declare(("found", QUEUE, declared))
    stack.up()
    stack.destroy()


def test_concurrent_engines_keep_their_own_configuration(tmp_path: Path, cloud: LocalCloud, engine_path: str) -> None:
    regions = ("us-east-1", "eu-west-1")
    stacks = []
    for region in regions:
        stack = Stack("declared", tmp_path / region, cloud, engine_path)
        stack.declare(*((f"q{n}", QUEUE, {"name": f"q{n}"}) for n in range(8)), provider={"region": region})
        stacks.append(stack)
    threads = [threading.Thread(target=stack.up) for stack in stacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for stack, region in zip(stacks, regions, strict=True):
        arns = {stack.resource(f"q{n}")["outputs"]["arn"].split(":")[3] for n in range(8)}
        assert arns == {region}


def test_no_plugin_process_stays_behind(stack: Stack) -> None:
    stack.declare(("queue", QUEUE, {"name": "orphan"}))
    stack.up()
    mine = [
        p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if str(stack.cloud.home) in str(p.info["cmdline"])
    ]
    assert [line for line in mine if "pulumi-resource-aws" in str(line)] == []


@pytest.fixture
def own_stack(tmp_path: Path, engine_path: str) -> Iterator[Stack]:
    """A stack with a local cloud that a test may break."""
    with running(tmp_path / ".local") as cloud:
        yield Stack("declared", tmp_path / "declared", cloud, engine_path)


def test_a_stop_and_a_kill_keep_everything_unless_a_change_was_not_saved(own_stack: Stack) -> None:
    stack, cloud = own_stack, own_stack.cloud
    stack.declare(("queue", QUEUE, {"name": "kept"}))
    stack.up()
    before = found(cloud)
    assert cloud.stop()
    assert "not running" in stack.preview(fails=True).text
    assert cloud.start() is None
    again = found(cloud)
    assert (again.pid != before.pid, again.port) == (True, before.port)
    assert cloud.start() is None
    assert found(cloud) == again
    assert changed(stack.preview()) == {}

    kill(again)
    failed = stack.preview(fails=True)
    assert "emulator has stopped; run the command again" in failed.text
    assert cloud.status() is None
    assert cloud.start() is None
    assert found(cloud).pid != again.pid
    assert changed(stack.preview()) == {}

    queues(cloud).create_queue(QueueName="unsaved")
    kill(found(cloud))
    set_aside = cloud.start()
    assert set_aside is not None
    assert (set_aside / ".pulumi" / "stacks").is_dir()
    assert not list(cloud.state.rglob(f"{stack.name}.json"))
    assert held(cloud) == []
    stack.pulumi("stack", "init", stack.name)
    assert changed(stack.up()) == {"queue": "create", "aws": "create"}


def kill(cloud: Cloud) -> None:
    """Kill the emulator of a local cloud."""
    emulator = psutil.Process(cloud.emulator_pid)
    emulator.kill()
    psutil.wait_procs([emulator], timeout=1)


# The background process.


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[LocalCloud]:
    """A local cloud with the queue `kept`."""
    with running(tmp_path / "one" / ".local") as cloud:
        queues(cloud).create_queue(QueueName="kept")
        yield cloud


def found(cloud: LocalCloud) -> Cloud:
    """Return the status of a local cloud that runs."""
    status = cloud.status()
    assert status
    return status


def queues(cloud: LocalCloud) -> Any:
    variables = cloud.variables()
    return boto3.client(
        "sqs",
        endpoint_url=found(cloud).endpoint,
        region_name="ap-northeast-1",
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )


@tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)
def is_saved(cloud: LocalCloud) -> None:
    """Wait until the emulator has saved every change."""
    assert not (cloud.home / "unsaved").exists()


def held(cloud: LocalCloud) -> list[str]:
    """Return the names of the queues in a local cloud."""
    urls = queues(cloud).list_queues().get("QueueUrls", [])
    return [url.rsplit("/", 1)[-1] for url in urls]


def processes(home: Path) -> set[int]:
    """Return the ids of the background processes of a home and of their children."""
    serving = [p for p in psutil.process_iter(["cmdline"]) if {"serve", str(home)} <= set(p.info["cmdline"] or ())]
    return {each.pid for parent in serving for each in (parent, *parent.children())}


def test_a_cloud_is_found_again_without_a_valid_file(kept: LocalCloud) -> None:
    before, file = found(kept), kept.home / "cloud.json"
    for content in (None, "", '{"pid": 1', "[]", '{"pid": 1, "emulator_pid": 1, "port": 1}'):
        file.unlink()
        if content is not None:
            file.write_text(content)
        assert kept.start() is None
        assert found(kept) == before, content
        assert processes(kept.home) == {before.pid, before.emulator_pid}


def test_a_cloud_without_its_file_saves_its_state_when_it_is_stopped(kept: LocalCloud) -> None:
    (kept.home / "cloud.json").unlink()
    assert kept.stop()
    assert processes(kept.home) == set()
    kept.start()
    assert held(kept) == ["kept"]


def test_an_emulator_whose_parent_is_killed_saves_before_the_next_one_starts(kept: LocalCloud) -> None:
    before = found(kept)
    parent = psutil.Process(before.pid)
    parent.kill()
    parent.wait()
    assert kept.start() is None
    assert (found(kept).pid != before.pid, found(kept).port) == (True, before.port)
    assert held(kept) == ["kept"]


def test_a_copy_of_a_home_is_not_the_running_cloud(kept: LocalCloud, tmp_path: Path) -> None:
    copy = tmp_path / "two" / ".local"
    is_saved(kept)
    shutil.copytree(kept.home, copy)
    assert LocalCloud(copy).status() is None
    with running(copy) as other:
        assert found(other).pid != found(kept).pid
        assert found(other).port != found(kept).port
        queues(other).create_queue(QueueName="other")
        assert held(kept) == ["kept"]
        assert held(other) == ["kept", "other"]
    assert held(kept) == ["kept"]


def test_a_home_that_is_moved_while_its_cloud_runs_keeps_its_state(kept: LocalCloud, tmp_path: Path) -> None:
    before = found(kept)
    home = tmp_path / "two" / ".local"
    kept.home.parent.rename(home.parent)
    assert LocalCloud(home).status() is None
    with running(home) as moved:
        assert found(moved).pid != before.pid
        assert held(moved) == ["kept"]
    assert processes(kept.home) == processes(home) == set()
    assert not kept.home.parent.exists()


def test_a_cloud_whose_home_is_deleted_ends(kept: LocalCloud) -> None:
    left = [psutil.Process(pid) for pid in processes(kept.home)]
    shutil.rmtree(kept.home)
    _gone, alive = psutil.wait_procs(left, timeout=20)
    assert alive == []


def test_a_full_disk_does_not_stop_the_cloud_and_a_failed_save_is_said(tmp_path: Path) -> None:
    with running(tmp_path / ".local") as cloud:
        with pytest.raises(
            LocalCloudError, match=r"goes on running, because the disk is too full .*\./inv local-down"
        ):
            replace(cloud, min_free_bytes=2**62).stop()
        serving = found(cloud)
        psutil.Process(serving.emulator_pid).rlimit(psutil.RLIMIT_FSIZE, (0, 0))
        queues(cloud).create_queue(QueueName="unsaved")
        with pytest.raises(LocalCloudError, match="is stopped, but its emulator did not save the last changes"):
            cloud.stop()
        assert cloud.status() is None


def test_concurrent_starts_make_one_cloud(tmp_path: Path) -> None:
    cloud = LocalCloud(tmp_path / ".local")
    try:
        with ThreadPoolExecutor() as starting:
            assert list(starting.map(lambda _: cloud.start(), range(4))) == [None] * 4
        serving = found(cloud)
        assert processes(cloud.home) == {serving.pid, serving.emulator_pid}
    finally:
        cloud.stop()
