"""Tests the specs and the provider without an engine and an emulator."""

from __future__ import annotations

import importlib
import inspect
import io
import json
import keyword
import re
import sys
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime.proto import provider_pb2

from shared.graph import LAYERS
from tools.localcloud.errors import LocalCloudError
from tools.localcloud.gaps import gaps
from tools.localcloud.home import AccessKey
from tools.localcloud.provider import connection, functions, property_values
from tools.localcloud.provider.servicer import Provider
from tools.localcloud.resources import SPECS
from tools.localcloud.schema import diff
from tools.localcloud.schema.spec import ResourceContext, Spec, keys
from tools.localcloud.schema.values import SIGNATURE, UNKNOWN
from tools.orchestrator.repository.environments import known_environments
from tools.txmon.monorepo import MONOREPO

REPLICATION_GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"
INSTANCE = "aws:rds/instance:Instance"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
STREAM = "aws:kinesis/stream:Stream"
KEY = "aws:kms/key:Key"
FUNCTION = "aws:lambda/function:Function"
INVOCATION = "aws:lambda/invocation:Invocation"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
CLIENTS = connection.Clients("http://127.0.0.1:9", AccessKey("AKIATEST", "secret"))
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"


class Anyone:
    """Serves every connection."""

    def owner(self, _peer: str) -> int:
        return 1

    def runs(self, _pid: int) -> bool:
        return True


class Context:
    """The engine's side of a call."""

    def __init__(self, port: int = 1) -> None:
        self.port = port
        self.said = ""
        self.metadata: Any = None

    def peer(self) -> str:
        return f"ipv4:127.0.0.1:{self.port}"

    def set_code(self, _code: Any) -> None:
        pass

    def set_details(self, text: str) -> None:
        self.said = text

    def set_trailing_metadata(self, metadata: Any) -> None:
        self.metadata = metadata


def provider(clients: Any = None, **settings: Any) -> tuple[Provider, Context]:
    made, context = (
        Provider(clients or CLIENTS, Anyone(), lambda: True, lambda *_: None),
        Context(),
    )
    made.Handshake(None, context)
    made.Configure(
        provider_pb2.ConfigureRequest(args=property_values.dump({"region": "ap-northeast-1", **settings})), context
    )
    return made, context


def urn(kind: str, name: str = "it") -> str:
    return f"urn:pulumi:local::test::{kind}::{name}"


def check(kind: str, inputs: dict[str, Any], *, name: str = "it", secrets: frozenset[str] = frozenset()) -> Any:
    made, context = provider(defaultTags=json.dumps({"tags": {"Layer": "x"}}))
    request = provider_pb2.CheckRequest(
        urn=urn(kind, name), news=property_values.dump(inputs, secrets), randomSeed=b"seed"
    )
    return made.Check(request, context)


# Values.

PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=5), PLAIN, max_size=4))
def test_values_survive_the_wire_format(values: dict[str, Any]) -> None:
    assert property_values.load(property_values.dump(values)) == (values, frozenset())


def test_secrets_are_named_and_unknown_values_are_kept() -> None:
    struct = property_values.dump({"a": {"b": "s"}, "c": UNKNOWN, "d": 1}, frozenset({"a"}))
    values, secret = property_values.load(struct)
    assert values == {"a": {"b": "s"}, "c": UNKNOWN, "d": 1}
    assert secret == {"a"}


# Specs.


@pytest.fixture(params=SPECS.values(), ids=SPECS)
def spec(request: pytest.FixtureRequest) -> Spec:
    found: Spec = request.param
    return found


def test_a_spec_agrees_with_pulumis_sdk(spec: Spec) -> None:
    module, name = re.fullmatch(r"aws:(\w+)/\w+:(\w+)", spec.kind).groups()  # type: ignore[union-attr]
    package = f"{module}_" if keyword.iskeyword(module) else module
    cls = getattr(importlib.import_module(f"pulumi_aws.{package}"), name)
    arguments = getattr(sys.modules[cls.__module__], f"{name}Args")
    signature = inspect.signature(arguments.__init__).parameters
    named = {key: value.fget._pulumi_name for key, value in vars(arguments).items() if isinstance(value, property)}  # noqa: SLF001
    outputs = {value.fget._pulumi_name for value in vars(cls).values() if isinstance(value, property)}  # noqa: SLF001
    required = {
        named[key] for key, value in signature.items() if key in named and value.default is inspect.Parameter.empty
    }
    assert spec.inputs <= set(named.values())
    assert spec.properties <= outputs | {"region"}
    assert required <= spec.required <= spec.inputs


def test_a_spec_names_only_properties_that_it_has(spec: Spec) -> None:
    places = (spec.force_new, spec.updatable, spec.state_only, spec.write_only)
    assert len(spec.inputs) == sum(map(len, places)), "each input has one place"
    every = spec.properties | spec.write_only
    for named in (
        spec.computed | spec.unordered | spec.documents | spec.secret | keys(spec.name),
        spec.defaults.keys() | spec.names.keys() | spec.response_path.keys() | spec.codecs.keys(),
        spec.canonical.keys() | spec.force_new_if.keys(),
        spec.unknown_when_changed.keys() | set(spec.unknown_when_changed.values()),
        keys(" ".join(spec.unsupported)).union(*(setter.keys for setter in spec.setters)),
    ):
        assert named <= every
    if "tags" in spec.inputs:
        assert spec.tagging or "tags" in spec.kept


def test_an_updatable_input_has_a_call_or_is_unsupported(spec: Spec) -> None:
    called = frozenset().union(*(setter.keys for setter in spec.setters))
    assert spec.updatable - {"tags"} <= called | spec.kept


def test_every_gap_has_a_reason() -> None:
    found = gaps()
    assert all(gap.reason for gap in found)
    assert "rds.Instance: latestRestorableTime" in {gap.subject for gap in found}


# Checks.

REFUSED = {
    "an unknown input": (LOG_GROUP, {"retentionDays": 7}, "does not know the input 'retentionDays'"),
    "a missing input": ("aws:kms/alias:Alias", {"name": "alias/x"}, "targetKeyId is required"),
    "an alias of AWS's": (
        "aws:kms/alias:Alias",
        {"name": "alias/aws/x", "targetKeyId": "k"},
        "must begin with alias/",
    ),
    "retention of 23 h": (STREAM, {"shardCount": 1, "retentionPeriod": 23}, "AWS takes 24 to 8760"),
    "no shards": (STREAM, {"shardCount": 0}, "at least 1"),
    "on-demand shards": (STREAM, {"shardCount": 1, "streamModeDetails": {"streamMode": "ON_DEMAND"}}, "PROVISIONED"),
    "encryption without a key": (STREAM, {"shardCount": 1, "encryptionType": "KMS"}, "needs kmsKeyId"),
    "log retention of 8 days": (LOG_GROUP, {"retentionInDays": 8}, "retentionInDays '8' must be one of"),
    "a policy that is not JSON": (KEY, {"policy": "{"}, "policy is malformed"),
    "a policy without action": (KEY, {"policy": '{"Statement": [{"Effect": "Allow"}]}'}, "no Action"),
    "a short auth token": (
        REPLICATION_GROUP,
        {"description": "d", "authTokenWo": "short"},
        "authTokenWo has 5 characters",
    ),
    "multi-AZ without failover": (REPLICATION_GROUP, {"description": "d", "multiAzEnabled": True}, "needs automatic"),
    "a long cache name": (REPLICATION_GROUP, {"description": "d", "replicationGroupId": "x" * 41}, "up to 40"),
    "a double hyphen": (INSTANCE, {"instanceClass": "db.t3.micro", "identifier": "a--b"}, "single hyphens"),
    "36 days of backups": (INSTANCE, {"instanceClass": "db.t3.micro", "backupRetentionPeriod": 36}, "0 to 35"),
    "monitoring without role": (
        INSTANCE,
        {"instanceClass": "db.t3.micro", "monitoringInterval": 60},
        "monitoringRoleArn",
    ),
    "a network that is too large": ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/8"}, "between /16 and /28"),
    "an odd period": (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1, "period": 61},
        "period is 61",
    ),
    "three of two points": (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 2, "datapointsToAlarm": 3},
        "more than evaluationPeriods",
    ),
    "two passwords": (
        INSTANCE,
        {"instanceClass": "db.t3.micro", "passwordWo": "long-enough", "manageMasterUserPassword": True},
        "exclude each other",
    ),
    "two sources": (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {
            "securityGroupId": "sg-1",
            "ipProtocol": "-1",
            "referencedSecurityGroupId": "sg-2",
            "prefixListId": "pl-1",
        },
        "exclude each other",
    ),
}


@pytest.mark.parametrize(("kind", "inputs", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_aws_refuses_is_refused(kind: str, inputs: dict[str, Any], sentence: str) -> None:
    failures = check(kind, inputs).failures
    assert sentence in "\n".join(failure.reason for failure in failures)
    assert not any(failure.property for failure in failures), "the engine would show the value"


@pytest.mark.parametrize("env", known_environments(MONOREPO))
@pytest.mark.parametrize("layer", LAYERS)
def test_every_input_of_every_layer_is_accepted(layer: str, env: str, run_layer: Any) -> None:
    faults = []
    for resource in run_layer(layer, env).resources:
        if resource.typ in SPECS:
            given = {key: value for key, value in resource.inputs.items() if value is not None}
            inputs = {key: ARCHIVE if isinstance(value, pulumi.Archive) else value for key, value in given.items()}
            faults += [f"{resource.name}: {failure.reason}" for failure in check(resource.typ, inputs).failures]
        elif resource.typ.startswith("aws:"):
            faults.append(f"{resource.name}: {resource.typ} is missing")
    assert faults == []


def test_what_is_not_known_yet_is_not_refused() -> None:
    unknown = {"instanceClass": "db.t3.micro", "monitoringInterval": 60, "monitoringRoleArn": UNKNOWN}
    assert not check(INSTANCE, unknown).failures


def test_names_and_tags_are_filled_in() -> None:
    inputs, _ = property_values.load(check(LOG_GROUP, {"tags": {"a": "b"}}, name="logs").inputs)
    assert re.fullmatch(r"logs-[0-9a-f]{7}", inputs["name"])
    assert inputs["__defaults"] == ["name"]
    assert inputs["tagsAll"] == {"Layer": "x", "a": "b"}
    [long] = check(LOG_GROUP, {}, name="l" * 505).failures
    assert "is too long: AWS takes 512 characters" in long.reason
    assert not check(LOG_GROUP, {}, name="l" * 504).failures


def test_a_write_only_value_never_reaches_the_state() -> None:
    given = {"secretId": "x", "secretStringWo": "correct-horse", "secretStringWoVersion": 1}
    answer = check(VERSION, given, secrets=frozenset({"secretStringWo"}))
    assert "correct-horse" not in str(answer)
    assert "secretStringWo" not in answer.inputs.fields


# Differences.


def kinds(kind: str, olds: dict[str, Any], news: dict[str, Any]) -> dict[str, str]:
    return {path: change for path, (_, change) in diff.changes(SPECS[kind], olds, news).items()}


def test_a_policy_is_compared_by_what_it_says() -> None:
    one = {"Statement": [{"Effect": "Allow", "Action": ["a:B", "a:C"], "Resource": ["x"]}], "Version": "v"}
    same = json.dumps({"Version": "v", "Statement": [{"Resource": "x", "Action": ["a:C", "a:B"], "Effect": "Allow"}]})
    other = json.dumps(one).replace("a:C", "a:D")
    olds = {"policy": json.dumps(one)}
    assert "policy" not in kinds(KEY, olds, {"policy": same})
    assert kinds(KEY, olds, {"policy": other})["policy"] == "UPDATE"


def test_a_set_has_no_order_and_a_number_can_be_text() -> None:
    kind = "aws:rds/subnetGroup:SubnetGroup"
    olds = {"subnetIds": ["a", "b"], "description": "d", "name": "n"}
    assert kinds(kind, olds, {"subnetIds": ["b", "a"], "description": "d"}) == {}
    assert kinds(kind, olds, {"subnetIds": ["b", "c"], "description": "d"}) == {"subnetIds": "UPDATE"}
    assert not diff.changes(
        SPECS["aws:budgets/budget:Budget"],
        {"limitAmount": "200.0", "budgetType": "COST", "timeUnit": "MONTHLY"},
        {"limitAmount": "200", "budgetType": "COST", "timeUnit": "MONTHLY"},
    )


def test_a_difference_in_the_last_digit_is_one() -> None:
    kind = "aws:cloudwatch/metricAlarm:MetricAlarm"
    alarm = {"name": "n", "comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1} | SPECS[kind].defaults
    assert kinds(kind, alarm | {"threshold": 838860.8}, alarm | {"threshold": 838860.9}) == {"threshold": "UPDATE"}
    assert kinds(kind, alarm | {"threshold": "60000"}, alarm | {"threshold": 60000.0}) == {}


@pytest.mark.parametrize("value", ["0", "false", ""])
def test_a_tag_with_an_empty_or_false_value_is_a_tag(value: str) -> None:
    tags = {"tags": {"Backup": value}, "tagsAll": {"Backup": value}}
    assert kinds(LOG_GROUP, {"name": "n"}, {"name": "n"} | tags) == {"tags": "ADD"}
    assert kinds(LOG_GROUP, {"name": "n"} | tags, {"name": "n"}) == {"tags": "DELETE"}


def test_only_policies_have_lists_without_order() -> None:
    one, other = (json.dumps({"widgets": [{"metrics": [["AWS/RDS", *names]]}]}) for names in ("ab", "ba"))
    kind = "aws:cloudwatch/dashboard:Dashboard"
    olds, news = ({"dashboardName": "d", "dashboardBody": body} for body in (one, other))
    assert kinds(kind, olds, news) == {"dashboardBody": "UPDATE"}
    assert kinds(kind, olds, olds | {"dashboardBody": json.dumps(json.loads(one), indent=1)}) == {}


def test_an_absent_input_means_its_default_unless_aws_chooses_it() -> None:
    olds = {"name": "n", "retentionInDays": 7, "logGroupClass": "STANDARD"}
    assert kinds(LOG_GROUP, olds, {"name": "n"}) == {"retentionInDays": "UPDATE"}
    assert kinds(LOG_GROUP, olds | {"retentionInDays": 0}, {"name": "n"}) == {}


def test_a_filters_scope_that_is_removed_goes_back_to_the_filters_default() -> None:
    kind = "aws:sns/topicSubscription:TopicSubscription"
    given = {"topic": "t", "protocol": "email", "endpoint": "a@example.com"}
    policy, scope = {"filterPolicy": '{"AlarmName": ["x"]}'}, {"filterPolicyScope": "MessageBody"}
    assert kinds(kind, given | policy | scope, given | policy) == {"filterPolicyScope": "UPDATE"}
    assert kinds(kind, given | policy | scope, given) == {"filterPolicy": "DELETE"}
    assert kinds(kind, given | policy, given | policy) == {}
    account = SimpleNamespace(region="r", account="a")
    context = ResourceContext(SPECS[kind], account, inputs=given | policy, state=given | policy | scope)
    wanted = "MessageAttributes"
    assert context.arguments(frozenset(scope)) == {"FilterPolicyScope": wanted}
    planned = diff.planned(SPECS[kind], context.state, context.inputs, frozenset(scope), "r")
    assert planned["filterPolicyScope"] == wanted


def test_differences_name_the_path_within_a_property() -> None:
    olds = {"name": "n", "retentionInDays": 0, "tags": {"a": "1", "b c": "2"}}
    olds["tagsAll"] = olds["tags"]
    tags = {"a": "3", "d": "4"}
    found = kinds(LOG_GROUP, olds, {"name": "n", "tags": tags, "tagsAll": tags})
    assert found == {"tags.a": "UPDATE", 'tags["b c"]': "DELETE", "tags.d": "ADD"}


def test_an_unknown_value_is_a_difference_and_stays_unknown_in_a_preview() -> None:
    spec = SPECS["aws:kms/alias:Alias"]
    olds = {"name": "alias/x", "targetKeyId": "k1", "targetKeyArn": "arn:k1", "arn": "arn:x"}
    news = {"name": "alias/x", "targetKeyId": UNKNOWN}
    found = diff.changes(spec, olds, news)
    assert found == {"targetKeyId": ("targetKeyId", "UPDATE")}
    planned = diff.planned(spec, olds, news, frozenset({"targetKeyId"}), "ap-northeast-1")
    assert planned["targetKeyId"] is planned["targetKeyArn"] is UNKNOWN
    assert planned["arn"] == "arn:x"


GROUP = {"engine": "redis", "replicationGroupId": "g", "description": "d", "engineVersion": "7.1", "kmsKeyId": "k"}
ARCHIVE = {SIGNATURE: "0def7320c3a5731c473e5ecbe6d01bc7", "hash": "1", "path": "a.zip"}
CODE = {"name": "f", "packageType": "Zip", "code": ARCHIVE, "architectures": ["x86_64"], "role": "q"}
MAPPED = {"functionName": "f", "eventSourceArn": "a", "startingPosition": "TRIM_HORIZON"}
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
FROM_GROUP = {"securityGroupId": "sg-1", "ipProtocol": "-1", "referencedSecurityGroupId": "sg-2"}
REPLACED = {
    "an older version of Redis": (REPLICATION_GROUP, GROUP, {"engineVersion": "7.0"}, ["engineVersion"]),
    "a newer version of Redis": (REPLICATION_GROUP, GROUP, {"engineVersion": "7.10"}, []),
    "a version that is not known yet": (REPLICATION_GROUP, GROUP, {"engineVersion": UNKNOWN}, []),
    "another key of Redis": (REPLICATION_GROUP, GROUP, {"kmsKeyId": "l"}, ["kmsKeyId"]),
    "no key of Redis": (REPLICATION_GROUP, GROUP, {"kmsKeyId": None}, ["kmsKeyId"]),
    "Valkey in place of Redis": (REPLICATION_GROUP, GROUP, {"engine": "valkey", "engineVersion": "8.0"}, []),
    "Redis in place of Valkey": (REPLICATION_GROUP, GROUP | {"engine": "valkey"}, {"engine": None}, ["engine"]),
    "no encryption in transit": (
        REPLICATION_GROUP,
        GROUP | {"transitEncryptionEnabled": True},
        {"transitEncryptionEnabled": False},
        [],
    ),
    "another group in a rule": (RULE, FROM_GROUP, {"referencedSecurityGroupId": "sg-3"}, []),
    "a list in place of a group in a rule": (
        RULE,
        FROM_GROUP,
        {"referencedSecurityGroupId": None, "prefixListId": "pl-1"},
        ["prefixListId", "referencedSecurityGroupId"],
    ),
    "fewer snapshots of Redis": (REPLICATION_GROUP, GROUP | {"snapshotRetentionLimit": 1}, {}, []),
    "other code of a function": (FUNCTION, CODE, {"code": ARCHIVE | {"hash": "2"}}, []),
    "another architecture and role of a function": (FUNCTION, CODE, {"architectures": ["arm64"], "role": "r"}, []),
    "another stream of a mapping": (MAPPING, MAPPED, {"eventSourceArn": "b"}, ["eventSourceArn"]),
    "another start of a mapping": (MAPPING, MAPPED, {"startingPosition": "LATEST"}, ["startingPosition"]),
    "another function of a mapping": (MAPPING, MAPPED, {"functionName": "g"}, []),
    "another input of an invocation": (INVOCATION, {"functionName": "f", "input": "1"}, {"input": "2"}, ["input"]),
    "another trigger of an invocation": (
        INVOCATION,
        {"functionName": "f", "input": "1", "triggers": {"a": "1"}},
        {"triggers": {"a": "2"}},
        ["triggers"],
    ),
    "another size of a network": ("aws:ec2/vpc:Vpc", {"cidrBlock": "c"}, {"cidrBlock": "d"}, ["cidrBlock"]),
}


@pytest.mark.parametrize(("kind", "olds", "change", "replaces"), REPLACED.values(), ids=REPLACED)
def test_a_change_replaces_as_with_the_real_provider(
    kind: str, olds: dict[str, Any], change: dict[str, Any], replaces: list[str]
) -> None:
    """Expect what hashicorp/aws 5.100 plans, on which Pulumi's plugin is built."""
    made, context = provider()
    news = {key: value for key, value in olds.items() if key != "snapshotRetentionLimit"} | change
    request = provider_pb2.DiffRequest(
        urn=urn(kind), olds=property_values.dump(olds), news=property_values.dump(news)
    )
    found = made.Diff(request, context)
    assert found.changes == found.DIFF_SOME
    assert list(found.replaces) == replaces


@pytest.mark.parametrize(("wanted", "replaces"), [(6379, []), (6380, ["port"])])
def test_another_port_than_asked_for_is_no_change(wanted: int, replaces: list[str]) -> None:
    made, context = provider()
    inputs = {"replicationGroupId": "cache", "description": "d", "port": 6379}
    request = provider_pb2.DiffRequest(
        urn=urn("aws:elasticache/replicationGroup:ReplicationGroup"),
        olds=property_values.dump(inputs | {"port": 49152}),
        old_inputs=property_values.dump(inputs),
        news=property_values.dump(inputs | {"port": wanted}),
    )
    assert list(made.Diff(request, context).replaces) == replaces


DELETED_FIRST = {
    "a fixed name that changes": (LOG_GROUP, {"name": "a"}, {"name": "b"}, True),
    "a fixed name that stays": (LOG_GROUP, {"name": "a", "logGroupClass": "STANDARD"}, {"logGroupClass": "X"}, True),
    "an automatic name": (LOG_GROUP, {"name": "a"}, {"name": "b", "__defaults": ["name"]}, False),
    "a required name, which is never automatic": (
        "aws:cloudwatch/dashboard:Dashboard",
        {"dashboardName": "a"},
        {"dashboardName": "b"},
        False,
    ),
    "no name": ("aws:sqs/queuePolicy:QueuePolicy", {"queueUrl": "a"}, {"queueUrl": "b"}, False),
    "what Pulumi's bridge lists": (
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        {"role": "a", "policyArn": "p"},
        {"role": "b"},
        True,
    ),
}


@pytest.mark.parametrize(("kind", "olds", "change", "first"), DELETED_FIRST.values(), ids=DELETED_FIRST)
def test_a_replacement_deletes_first_as_with_the_real_provider(
    kind: str, olds: dict[str, Any], change: dict[str, Any], *, first: bool
) -> None:
    made, context = provider()
    news = property_values.dump(olds | change)
    found = made.Diff(provider_pb2.DiffRequest(urn=urn(kind), olds=property_values.dump(olds), news=news), context)
    assert found.replaces
    assert found.deleteBeforeReplace is first


def test_an_archive_is_compared_by_its_content_and_has_no_paths_within() -> None:
    olds = CODE | SPECS[FUNCTION].defaults
    assert kinds(FUNCTION, olds, olds | {"code": ARCHIVE | {"path": "/elsewhere/a.zip"}}) == {}
    assert kinds(FUNCTION, olds, olds | {"code": ARCHIVE | {"hash": "2"}}) == {"code": "UPDATE"}


def test_a_mapping_may_name_its_function_by_its_arn() -> None:
    olds = MAPPED | SPECS[MAPPING].defaults
    assert kinds(MAPPING, olds, olds | {"functionName": "arn:aws:lambda:r:1:function:f"}) == {}


# The provider.


class Functions:
    """A client whose functions fail."""

    def invoke(self, **_: Any) -> dict[str, Any]:
        answer = b'{"errorType": "ValueError", "errorMessage": "the schema is newer", "stackTrace": ["File"]}'
        return {"FunctionError": "Unhandled", "Payload": io.BytesIO(answer)}


def test_an_invocation_fails_with_the_message_of_its_function() -> None:
    made, context = provider(SimpleNamespace(get=lambda *_: Functions()))
    given = property_values.dump({"functionName": "f", "input": "{}"})
    assert made.Create(provider_pb2.CreateRequest(urn=urn(INVOCATION), properties=given), context) is None
    assert context.said == "Invocation: Unhandled: the function f failed: ValueError: the schema is newer"


class Aws:
    """A client that refuses to set the retention of a log group."""

    def create_log_group(self, **_: Any) -> dict[str, Any]:
        return {}

    def put_retention_policy(self, **_: Any) -> dict[str, Any]:
        raise ClientError(
            {"Error": {"Code": "Throttled", "Message": "not\nnow, correct-horse"}}, "PutRetentionPolicy"
        )

    def describe_log_groups(self, **_: Any) -> dict[str, Any]:
        return {"logGroups": [{"logGroupName": "/x", "arn": "arn:x:*"}]}

    def list_tags_for_resource(self, **_: Any) -> dict[str, Any]:
        return {"tags": {}}


def test_a_partial_failure_is_one_line_without_secrets() -> None:
    made, context = provider(SimpleNamespace(get=lambda *_: Aws()))
    inputs = {"name": "/x", "retentionInDays": 7, "kmsKeyId": "correct-horse"}
    request = provider_pb2.CreateRequest(
        urn=urn(LOG_GROUP), properties=property_values.dump(inputs, frozenset({"kmsKeyId"}))
    )
    assert made.Create(request, context) is None
    assert context.said == "PutRetentionPolicy: Throttled: not now, [secret]"
    ((_, packed),) = context.metadata
    assert b"ErrorResourceInitFailed" in packed
    assert b"__pending" in packed


def test_each_connection_has_its_own_configuration() -> None:
    made, one = provider(defaultTags=json.dumps({"tags": {"Layer": "one"}}))
    two = Context(port=2)
    made.Handshake(None, two)
    settings = {"region": "us-east-1", "defaultTags": json.dumps({"tags": {"Layer": "two"}})}
    made.Configure(provider_pb2.ConfigureRequest(args=property_values.dump(settings)), two)
    request = provider_pb2.CheckRequest(urn=urn(LOG_GROUP), news=property_values.dump({"name": "/x"}))
    layers = [property_values.load(made.Check(request, who).inputs)[0]["tagsAll"]["Layer"] for who in (one, two, one)]
    assert layers == ["one", "two", "one"]
    made.Handshake(None, one)  # another engine, from the port of the first
    made.Check(request, one)
    assert "run the command again" in one.said


def test_a_lost_connection_or_emulator_is_reported() -> None:
    context = Context()
    Provider(CLIENTS, Anyone(), lambda: True, lambda *_: None).Diff(provider_pb2.DiffRequest(urn=urn(KEY)), context)
    assert "run the command again" in context.said
    Provider(CLIENTS, Anyone(), lambda: False, lambda *_: None).Diff(provider_pb2.DiffRequest(urn=urn(KEY)), context)
    assert context.said.startswith("the local cloud's emulator has stopped")


@pytest.mark.parametrize("url", ["http://127.0.0.1:4566", "http://localhost:1", "http://[::1]:2"])
def test_a_loopback_address_is_recognized(url: str) -> None:
    assert connection.loopback(url)


@pytest.mark.parametrize("url", ["https://kms.amazonaws.com", "http://127.0.0.1.example.com", "http://10.0.0.1", "x"])
def test_another_address_is_not_a_loopback_address(url: str) -> None:
    assert not connection.loopback(url)


def test_an_unknown_function_or_argument_is_refused() -> None:
    session: Any = SimpleNamespace()
    with pytest.raises(LocalCloudError, match="does not have the function aws:index/getRegion:getRegion"):
        functions.invoke(session, "aws:index/getRegion:getRegion", {})
    with pytest.raises(LocalCloudError, match="does not know the argument tags"):
        functions.invoke(session, "aws:secretsmanager/getSecretVersion:getSecretVersion", {"tags": {}})
