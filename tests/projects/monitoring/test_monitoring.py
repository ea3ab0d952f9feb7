"""The monitoring layer's program with its committed stack files, under mocks."""

import json
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pulumi
import pytest
from pulumi.runtime import set_all_config
from pulumi.runtime.rpc import is_rpc_secret, unwrap_rpc_secret
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from projects.monitoring.alarms.processing import RULES
from projects.monitoring.config import MonitoringConfig
from shared.contracts import (
    CONTRACTS,
    DataContract,
    NetworkContract,
    ProcessingContract,
    SecurityContract,
    StreamingContract,
)
from shared.graph import LAYERS
from shared.names import LONGEST_SUFFIX
from tools.localcloud.completions.alarms import calculate

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
COMPOSITE = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
RULE = "aws:cloudwatch/eventRule:EventRule"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
ENVIRONMENTS = ("local", "dev", "prod")

NETWORK = NetworkContract.example()
SECURITY = SecurityContract.example()
STREAMING = StreamingContract.example()
DATA = DataContract.example()
PROCESSING = ProcessingContract.example()

SUBSCRIPTIONS = [
    {"protocol": "email", "endpoint": "team@example.com"},
    {"protocol": "https", "endpoint": "https://pager.example.com/key", "receives": "pages"},
    {"protocol": "https", "endpoint": "https://switch.example.com/key", "receives": "heartbeat"},
]


def alarms(run: Any) -> dict[str, dict[str, Any]]:
    """Return the inputs of the alarms by name, without the environment's prefix."""
    prefix = f"transaction-monitoring-{run.env}/"
    return {each.inputs["name"].removeprefix(prefix): dict(each.inputs) for each in run.all(ALARM)}


def sentence(*, secret: Collection[str] = (), **values: Any) -> str:
    stack_file = "projects/monitoring/Pulumi.test.yaml"
    with pytest.raises(pulumi.RunError) as error:
        MonitoringConfig.parse({"environmentSuffix": "test", **values}, stack_file, secret=secret)
    assert "\n" not in str(error.value)
    return str(error.value)


# Logs


def test_log_groups_are_encrypted_and_have_a_retention(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    groups = {each.inputs["name"]: each.inputs for each in run.all(LOG_GROUP)}
    assert groups.keys() == {
        f"/aws/transaction-monitoring/{env}",
        f"/aws/transaction-monitoring/{env}/flow-logs",
    }
    for group in groups.values():
        assert group["kmsKeyId"] == SECURITY["telemetry_key_arn"]
        assert group["retentionInDays"] == (365 if env == "prod" else 7)
        assert group["deletionProtectionEnabled"] is (env == "prod")


def test_log_groups_are_protected_in_production_only(run_layer) -> None:
    assert run_layer("monitoring", "dev").protected == run_layer("monitoring", "local").protected == set()
    assert run_layer("monitoring", "prod").protected == {"log-group-prod", "vpc-flow-log-group-prod"}


def test_only_the_producer_can_write_application_logs(run_layer, statements, env: str) -> None:
    run = run_layer("monitoring", env)
    grants = {
        each.inputs["role"]: statements(each.inputs["policy"]) for each in run.all("aws:iam/rolePolicy:RolePolicy")
    }
    assert grants.keys() == {SECURITY["kinesis_producer_role_name"], SECURITY["flow_log_role_name"]}
    [grant] = grants[SECURITY["kinesis_producer_role_name"]].values()
    assert grant["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert grant["Resource"] == [f"arn:aws:test:ap-northeast-1:123456789012:log-group-{env}:log-stream:*"]


def test_flow_logs_record_all_traffic_of_the_vpc(run_layer, statements, env: str) -> None:
    run = run_layer("monitoring", env)
    flow = run.one("aws:ec2/flowLog:FlowLog")
    assert flow["vpcId"] == NETWORK["vpc_id"]
    assert flow["trafficType"] == "ALL"
    assert flow["maxAggregationInterval"] == 60
    assert flow["iamRoleArn"] == SECURITY["flow_log_role_arn"]
    group = f"arn:aws:test:ap-northeast-1:123456789012:vpc-flow-log-group-{env}"
    assert flow["logDestination"] == group
    delivery = statements(run.one("aws:iam/rolePolicy:RolePolicy", f"flow-log-delivery-{env}")["policy"])
    assert delivery["Deliver"]["Resource"] == [group, f"{group}:log-stream:*"]
    assert delivery["Deliver"]["Action"] == [
        f"logs:{each}" for each in ("CreateLogStream", "PutLogEvents", "DescribeLogStreams")
    ]
    assert delivery["FindGroup"]["Action"] == ["logs:DescribeLogGroups"]
    assert f"flow-log-delivery-{env}" in run.waits_for[f"flow-log-{env}"]


def test_production_masks_personal_data_in_all_logs(run_layer) -> None:
    masking = "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy"
    assert not run_layer("monitoring", "dev").all(masking)
    run = run_layer("monitoring", "prod")
    policies = {each.inputs["logGroupName"]: each.inputs["policyDocument"] for each in run.all(masking)}
    assert policies.keys() == {
        run.exports["log_group_name"],
        PROCESSING["processing_log_group_name"],
        *DATA["rds_log_group_names"],
        *DATA["redis_log_group_names"],
    }
    [policy] = {json.dumps(json.loads(each)) for each in policies.values()}
    found, masked = json.loads(policy)["Statement"]
    assert found["DataIdentifier"] == masked["DataIdentifier"]
    assert masked["DataIdentifier"] == [
        f"arn:aws:dataprotection::aws:data-identifier/{each}"
        for each in ("CreditCardNumber", "CreditCardSecurityCode", "EmailAddress")
    ]
    assert "Audit" in found["Operation"]
    assert "Deidentify" in masked["Operation"]


# Alarms


def fallback_topic(env: str) -> str:
    return f"arn:aws:test:ap-northeast-1:123456789012:fallback-topic-{env}"


def composites(run: Any) -> dict[str, set[str]]:
    """Return the alarms of each composite alarm, by names without the environment's prefix."""
    prefix = f"transaction-monitoring-{run.env}/"
    found = {}
    for each in run.all(COMPOSITE):
        parts = each.inputs["alarmRule"].split(" OR ")
        names = {part.removeprefix(f'ALARM("{prefix}').removesuffix('")') for part in parts}
        assert names <= alarms(run).keys()
        found[each.inputs["alarmName"].removeprefix(prefix)] = names
    return found


def test_every_alarm_notifies_the_topic_and_has_a_runbook(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    for each in (*run.all(ALARM), *run.all(COMPOSITE)):
        failed = each.name in {f"alarm-notifications-failed-{env}", f"alarm-rules-failed-{env}"}
        assert each.inputs["alarmActions"] == [fallback_topic(env) if failed else run.exports["alerts_topic_arn"]]
        assert each.inputs.get("actionsEnabled", True) is True
        runbook = each.inputs["alarmDescription"]
        assert runbook.endswith(".")
        assert runbook.count(".") >= 2 or "Raise" in runbook, runbook


def test_every_alarm_is_on_an_existing_resource(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    expected = {
        "AWS/Kinesis": [{"StreamName": STREAMING["kinesis_stream_name"]}],
        "AWS/SQS": [{"QueueName": "transaction-dead-letters-dev"}],
        "AWS/RDS": [{"DBInstanceIdentifier": DATA["rds_identifier"]}],
        "AWS/ElastiCache": [{"CacheClusterId": member, "CacheNodeId": "0001"} for member in DATA["redis_member_ids"]],
        "AWS/Lambda": [{"FunctionName": PROCESSING["consumer_function_name"]}],
        "TransactionMonitoring": [{"Environment": env}, *({"Environment": env, "Rule": rule} for rule in RULES)],
        "AWS/SNS": [{"TopicName": f"transaction-alerts-{env}"}],
        f"TransactionMonitoring/{env}": [{}],
        "AWS/Events": [{"RuleName": each.inputs["name"]} for each in run.all(RULE)],
    }
    seen = set()
    for alarm in alarms(run).values():
        metrics = [query["metric"] for query in alarm.get("metricQueries", []) if "metric" in query]
        for metric in metrics or ([alarm] if "namespace" in alarm else []):
            assert metric.get("dimensions", {}) in expected[metric["namespace"]]
            seen.add(metric["namespace"])
    assert seen == expected.keys()


def test_alarm_periods_and_datapoints_are_within_cloudwatch_limits(run_layer, env: str) -> None:
    for alarm in alarms(run_layer("monitoring", env)).values():
        assert 1 <= alarm["datapointsToAlarm"] <= alarm["evaluationPeriods"]
        period = alarm.get("period") or 60
        assert period in {60, 300}
        assert period * alarm["evaluationPeriods"] <= 86_400  # CloudWatch's limit


def test_missing_data_is_bad_for_signs_of_life_and_good_for_counters(
    run_layer,
) -> None:
    table = alarms(run_layer("monitoring", "prod"))
    breaching = {name for name, alarm in table.items() if alarm["treatMissingData"] == "breaching"}
    assert breaching == {"database-down", "cache-1-down", "cache-2-down", "stream-silent", "processing-silent"}
    for name, alarm in table.items():
        if alarm.get("statistic") == "Sum" and name not in breaching:
            assert alarm["treatMissingData"] == "notBreaching"


def test_thresholds_follow_the_sizes_of_the_databases(run_layer) -> None:
    large = {
        "environment_suffix": "dev",
        "rds_vcpus": 4,
        "rds_memory_mib": 16384,
        "rds_max_connections": 1000,
        "redis_vcpus": 4,
    }
    small = alarms(run_layer("monitoring", "dev"))
    big = alarms(run_layer("monitoring", "dev", upstream={"data": DATA | large}))
    assert (small["database-load"]["threshold"], big["database-load"]["threshold"]) == (2, 4)
    assert (small["database-connections"]["threshold"], big["database-connections"]["threshold"]) == (64, 800)
    assert big["database-memory"]["threshold"] == 16 * small["database-memory"]["threshold"]
    assert (small["cache-1-cpu"]["metricName"], small["cache-1-cpu"]["threshold"]) == ("CPUUtilization", 45)
    assert (big["cache-1-cpu"]["metricName"], big["cache-1-cpu"]["threshold"]) == ("EngineCPUUtilization", 90)


def test_the_disk_alarm_rings_below_the_point_where_rds_grows_it(run_layer, env: str) -> None:
    storage = alarms(run_layer("monitoring", env))["database-storage"]
    first_disk = DATA["rds_storage_gib"] * 1024**3
    assert storage["threshold"] == first_disk * 0.05
    # RDS grows a disk after five minutes with less than 10 % free.
    assert storage["threshold"] < first_disk * 0.1
    assert storage["period"] * storage["datapointsToAlarm"] > 300
    assert "grown" in storage["alarmDescription"]


def test_thresholds_follow_the_size_of_the_stream(run_layer) -> None:
    upstream = {
        "streaming": STREAMING
        | {"environment_suffix": "dev", "kinesis_shard_count": 3, "kinesis_retention_hours": 168}
    }
    table = alarms(run_layer("monitoring", "dev", upstream=upstream))
    result, *operands = table["stream-shard-use"]["metricQueries"]
    assert result["expression"] == "100 * MAX([bytes / (60 * 1048576 * 3), records / (60 * 1000 * 3)])"
    assert result["returnData"] is True
    assert {each["id"]: each["metric"]["metricName"] for each in operands} == {
        "bytes": "IncomingBytes",
        "records": "IncomingRecords",
    }
    assert not any(each.get("returnData") for each in operands)


def test_a_consumer_that_reads_nothing_raises_an_alarm(run_layer, env: str) -> None:
    alarm = alarms(run_layer("monitoring", env))["stream-unread"]
    result, *operands = alarm["metricQueries"]
    metrics = {each["id"]: each["metric"] for each in operands}
    assert {key: (metric["metricName"], metric["stat"], metric["period"]) for key, metric in metrics.items()} == {
        "incoming": ("IncomingRecords", "Sum", 300),
        "read": ("GetRecords.Records", "Sum", 300),
    }
    # FILL turns missing reads into 0; without incoming records the expression has no value.
    assert result["expression"] == "0.9 * incoming - FILL(read, 0)"
    assert (alarm["comparisonOperator"], alarm["threshold"]) == ("GreaterThanThreshold", 0)
    assert alarm["treatMissingData"] == "notBreaching"
    assert (alarm["datapointsToAlarm"], alarm["evaluationPeriods"]) == (3, 3)


def test_alarms_on_the_consumer_are_on_the_function_of_processing(run_layer) -> None:
    run = run_layer("monitoring", "prod")
    table = {name: alarm for name, alarm in alarms(run).items() if name.startswith("function-")}
    assert {name: (alarm["metricName"], alarm["threshold"]) for name, alarm in table.items()} == {
        "function-errors": ("Errors", 0),
        "function-throttled": ("Throttles", 0),
        "function-iterator-age": ("IteratorAge", 60_000),
        "function-dead-letters-refused": ("DestinationDeliveryFailures", 0),
    }


@pytest.mark.parametrize("age", [43_200, 302_400])
def test_alarms_on_a_lag_ring_before_the_mapping_gives_records_up(run_layer, age: int) -> None:
    upstream = {"processing": PROCESSING | {"environment_suffix": "dev", "record_age_seconds": age}}
    table = alarms(run_layer("monitoring", "dev", upstream=upstream))
    limits = {
        name: table[name]["threshold"] / (1 if name.startswith("store") else 1000)
        for name in ("function-iterator-age", "stream-iterator-age-critical", "store-away", "store-away-critical")
    }
    assert limits == {
        "function-iterator-age": 300,
        "stream-iterator-age-critical": age * 0.8,
        "store-away": 300,
        "store-away-critical": age * 0.8,
    }


def test_dropped_packets_are_counted_over_all_endpoints(run_layer) -> None:
    [query] = alarms(run_layer("monitoring", "dev"))["endpoint-packets-dropped"]["metricQueries"]
    assert f"\"VPC Id\" = '{NETWORK['vpc_id']}'" in query["expression"]
    assert query["period"] == 60


ITSELF = {
    "dead-letters",
    "function-dead-letters-refused",
    "stream-iterator-age-critical",
    "store-away-critical",
    "cache-1-evictions",
    "cache-2-evictions",
}
"""The alarms that page by themselves."""


def test_each_domain_has_a_composite_alarm_of_what_rings_in_one_incident(run_layer, env: str) -> None:
    silent = {"stream-silent"} if env == "prod" else set()
    assert composites(run_layer("monitoring", env)) == {
        "ingest-unhealthy": {"stream-write-throttled", *silent},
        "consumer-unhealthy": {"stream-iterator-age", "stream-unread", "function-iterator-age", "store-away"},
        "database-unhealthy": {"database-down", "database-storage"},
        "cache-unhealthy": {"cache-1-down", "cache-2-down"},
    }


def test_what_pages_notifies_of_its_end_and_other_alarms_do_not(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    topic = [run.exports["alerts_topic_arn"]]
    ends = {name: each["okActions"] for name, each in alarms(run).items() if each.get("okActions")}
    of_itself = dict.fromkeys(("notifications-failed", "rules-failed"), [fallback_topic(env)])  # noqa: RUF024
    assert ends == dict.fromkeys({*ITSELF, "heartbeat"}, topic) | of_itself
    assert [each.inputs["okActions"] for each in run.all(COMPOSITE)] == [topic] * 4


def test_the_alarm_on_dead_letters_ends_every_four_hours_to_ring_again(run_layer, env: str) -> None:
    alarm = alarms(run_layer("monitoring", env))["dead-letters"]
    formula = alarm["metricQueries"][0]["expression"]

    def value(at: datetime) -> float | None:
        return calculate(formula, {"messages": 7.0}, at)

    day = [datetime(2026, 11, 28, minute // 60, minute % 60, tzinfo=UTC) for minute in range(24 * 60)]
    assert [f"{at:%H:%M}" for at in day if value(at) == 0] == [
        f"{hour:02}:0{minute}" for hour in (0, 4, 8, 12, 16, 20) for minute in range(5)
    ]
    assert {value(at) for at in day} == {0, 7}
    assert (alarm["threshold"], alarm["datapointsToAlarm"], alarm["evaluationPeriods"]) == (0, 1, 1)


def test_every_alarm_is_exported_and_allowed_to_publish(run_layer, statements, env: str) -> None:
    run = run_layer("monitoring", env)
    names = run.exports["alarm_names"]
    assert set(names) == {
        *(each.inputs["alarmName"] for each in run.all(COMPOSITE)),
        *(each.inputs["name"] for each in run.all(ALARM)),
    }
    for each in run.all(TOPIC_POLICY):
        pattern = statements(each.inputs["policy"])["Alarms"]["Condition"]["ArnLike"]["aws:SourceArn"]
        begins = pattern.removeprefix("arn:aws:cloudwatch:ap-northeast-1:123456789012:alarm:").removesuffix("*")
        assert all(name.startswith(begins) for name in names)


def test_metric_filters_feed_the_metrics_of_the_alarms(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    filters = [each.inputs for each in run.all("aws:cloudwatch/logMetricFilter:LogMetricFilter")]
    assert {each["logGroupName"]: each["pattern"] for each in filters} == {
        run.exports["log_group_name"]: "ERROR",
        # The console's lines of level INFO have the text of queries.
        PROCESSING["processing_log_group_name"]: '{ $.level = "ERROR" }',
    }
    alarm = alarms(run)["application-errors"]
    for each in filters:
        counted = each["metricTransformation"]
        assert (alarm["namespace"], alarm["metricName"]) == (counted["namespace"], counted["name"])


# The topic


def test_topics_are_encrypted_except_the_one_that_tells_of_the_key(run_layer, env: str) -> None:
    topics = {each.name: each.inputs for each in run_layer("monitoring", env).all("aws:sns/topic:Topic")}
    keys = {name: topic.get("kmsMasterKeyId") for name, topic in topics.items()}
    assert keys == {f"alerts-topic-{env}": SECURITY["telemetry_key_arn"], f"fallback-topic-{env}": None}
    assert {topic["signatureVersion"] for topic in topics.values()} == {2}


@pytest.mark.parametrize("name", ["alerts-topic", "fallback-topic"])
def test_a_topic_allows_only_its_publishers(run_layer, statements, env: str, name: str) -> None:
    run = run_layer("monitoring", env)
    policy = statements(run.one(TOPIC_POLICY, f"{name}-policy-{env}")["policy"])
    databases = {"DatabaseEvents": {"Service": "events.rds.amazonaws.com"}} if name == "alerts-topic" else {}
    assert {sid: each["Principal"] for sid, each in policy.items()} == databases | {
        "Alarms": {"Service": "cloudwatch.amazonaws.com"},
        "Rules": {"Service": "events.amazonaws.com"},
        "DenyWithoutTls": "*",
    }
    assert all(each["Condition"] for each in policy.values())
    topic = f"arn:aws:test:ap-northeast-1:123456789012:{name}-{env}"
    assert {(*each["Action"], *each["Resource"]) for each in policy.values()} == {("sns:Publish", topic)}
    for sid in ("Alarms", *databases):
        assert policy[sid]["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert policy["DenyWithoutTls"]["Effect"] == "Deny"
    assert policy["DenyWithoutTls"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    targets = run.all("aws:cloudwatch/eventTarget:EventTarget")
    rules = [each.inputs["rule"] for each in targets if each.inputs["arn"] == topic]
    arns = [f"arn:aws:test:ap-northeast-1:123456789012:{rule}" for rule in rules]
    assert rules
    assert sorted(policy["Rules"]["Condition"]["ArnEquals"]["aws:SourceArn"]) == sorted(arns)


def test_the_heartbeat_notifies_every_half_hour(run_layer, env: str) -> None:
    alarm = alarms(run_layer("monitoring", env))["heartbeat"]
    formula = alarm["metricQueries"][0]["expression"]
    hour = [datetime(2026, 11, 28, 7, minute, tzinfo=UTC) for minute in range(60)]
    rings = [(calculate(formula, {"clock": 1.0}, at) or 0) > alarm["threshold"] for at in hour]
    assert rings == [True] * 30 + [False] * 30
    assert alarm["alarmActions"] == alarm["okActions"]


def test_the_alarm_on_rules_counts_the_failures_of_each(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    result, *operands = alarms(run)["rules-failed"]["metricQueries"]
    assert {each["metric"]["dimensions"]["RuleName"] for each in operands} == {each.name for each in run.all(RULE)}
    assert calculate(result["expression"], {each["id"]: 1.0 for each in operands}, datetime.now(UTC)) == len(operands)


@pytest.fixture
def secret_subscriptions() -> Iterator[None]:
    """Mark `subscriptions` as secret, as `pulumi config set --secret` does."""
    set_all_config({}, ["txmon-monitoring:subscriptions"])
    yield
    set_all_config({}, [])


@pytest.mark.usefixtures("secret_subscriptions")
def test_each_subscriber_receives_what_it_asks_for(run_layer) -> None:
    run = run_layer("monitoring", "dev", config={"subscriptions": SUBSCRIPTIONS})
    topics: dict[str, dict[str, Any]] = {run.exports["alerts_topic_arn"]: {}, fallback_topic("dev"): {}}
    for each in run.all(SUBSCRIPTION):
        assert is_rpc_secret(each.inputs["endpoint"])
        topics[each.inputs["topic"]][unwrap_rpc_secret(each.inputs["endpoint"])] = each.inputs
    mail, pager, switch = (each["endpoint"] for each in SUBSCRIPTIONS)
    alerts, fallback = topics.values()
    assert {each["filterPolicyScope"] for each in alerts.values()} == {"MessageBody"}
    heartbeat = "transaction-monitoring-dev/heartbeat"
    names = {endpoint: json.loads(each["filterPolicy"])["AlarmName"] for endpoint, each in alerts.items()}
    assert names[mail] == [{"anything-but": [heartbeat]}, {"exists": False}]
    paging = {f"transaction-monitoring-dev/{name}" for name in ITSELF | composites(run).keys()}
    assert set(names[pager]) == paging
    assert names[switch] == [heartbeat]
    # A dead man's switch that hears of a failure would take it for a sign of life.
    assert fallback.keys() == {mail, pager}
    assert not any("filterPolicy" in each for each in fallback.values())


@pytest.mark.usefixtures("secret_subscriptions")
def test_a_subscription_keeps_its_name_when_the_list_changes(run_layer) -> None:
    def names(*subscriptions: dict[str, Any]) -> dict[str, str]:
        run = run_layer("monitoring", "dev", config={"subscriptions": subscriptions})
        topic = run.exports["alerts_topic_arn"]
        ours = [each for each in run.all(SUBSCRIPTION) if each.inputs["topic"] == topic]
        return {unwrap_rpc_secret(each.inputs["endpoint"]): each.name for each in ours}

    mail, pager, _ = SUBSCRIPTIONS
    both = names(mail, pager)
    changed = names(pager | {"receives": "everything"}, mail | {"protocol": "email-json"})
    assert changed[pager["endpoint"]] == both[pager["endpoint"]]
    assert len({*both.values(), *changed.values()}) == 3
    for name in both.values():
        assert re.fullmatch(r"alerts-subscription-(email|https)-[0-9a-f]{8}-dev", name)


def test_subscriptions_in_plain_text_are_refused(run_layer) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run_layer("monitoring", "dev", config={"subscriptions": SUBSCRIPTIONS})
    assert str(refused.value).startswith(
        "projects/monitoring/Pulumi.dev.yaml: subscriptions: addresses are secrets, and these are in plain text;"
        " use pulumi config set --secret subscriptions "
    )


def test_committed_stack_files_have_no_subscriptions(run_layer) -> None:
    assert not any(run_layer("monitoring", env).all(SUBSCRIPTION) for env in ENVIRONMENTS)


@pytest.mark.usefixtures("secret_subscriptions")
def test_production_warns_without_subscribers(run_layer, caplog: pytest.LogCaptureFixture) -> None:
    mail, pager, switch = SUBSCRIPTIONS
    run_layer("monitoring", "prod", config={"subscriptions": [mail, pager, switch]})
    assert "subscribers" not in caplog.text
    assert "switch" not in caplog.text
    run_layer("monitoring", "prod", config={"subscriptions": [mail, pager]})
    assert "nobody hears of it if alarms no longer notify: add a dead man's switch to subscriptions" in caplog.text
    run_layer("monitoring", "prod", config={"subscriptions": [pager]})
    assert "the budget of 1200 USD a month has no e-mail subscribers" in caplog.text
    assert "alarms have no subscribers" not in caplog.text
    run_layer("monitoring", "prod", config={"subscriptions": []})
    assert "alarms have no subscribers" in caplog.text


# Events


SECRETS = [
    # By ARN, partial ARN and name: CloudTrail records the identifier that the caller used.
    "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds-credentials-dev-a1B2c3",
    "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds-credentials-dev",
    "rds-credentials-dev",
    "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:redis-auth-dev-a1B2c3",
    "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:redis-auth-dev",
    "redis-auth-dev",
]

CALLS: dict[str, dict[str, Any]] = {
    "key-endangered": {
        "eventName": ["DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "RevokeGrant"],
        "resources": {
            "ARN": [
                SECURITY[key] for key in ("kms_key_arn", "stream_key_arn", "secrets_key_arn", "telemetry_key_arn")
            ]
        },
    },
    "secret-endangered": {
        "eventName": ["DeleteSecret", "DeleteResourcePolicy", "PutResourcePolicy", "RotationFailed"],
        "$or": [{"requestParameters": {"secretId": SECRETS}}, {"additionalEventData": {"SecretId": SECRETS}}],
    },
    "secret-read": {
        "eventName": ["GetSecretValue"],
        "requestParameters": {"secretId": SECRETS},
        "userIdentity": {
            "sessionContext": {
                "sessionIssuer": {
                    "arn": [
                        {"anything-but": {"wildcard": [SECURITY["kinesis_role_arn"], SECURITY["migrator_role_arn"]]}},
                        {"exists": False},
                    ]
                }
            }
        },
    },
    "stream-endangered": {
        "eventName": ["DeleteStream", "StopStreamEncryption", "DecreaseStreamRetentionPeriod"],
        "$or": [
            {"requestParameters": {"streamName": [STREAMING["kinesis_stream_name"]]}},
            {"requestParameters": {"streamARN": [STREAMING["kinesis_stream_arn"]]}},
        ],
    },
    "backup-endangered": {
        "eventName": ["DeleteDBSnapshot", "DeleteDBInstanceAutomatedBackup"],
        "responseElements": {"dBInstanceIdentifier": [DATA["rds_identifier"]]},
    },
    "copy-failed": {
        "state": ["ABORTED", "EXPIRED", "FAILED"],
        "resourceArn": [f"arn:aws:rds:ap-northeast-1:123456789012:db:{DATA['rds_identifier']}"],
    },
    "trail-endangered": {"eventName": ["StopLogging", "DeleteTrail"]},
}
SOURCES = {
    "aws.kms", "aws.secretsmanager", "aws.kinesis", "aws.rds", "aws.backup", "aws.monitoring", "aws.cloudtrail",
}  # fmt: skip


def silencing(env: str) -> dict[str, Any]:
    return {
        "eventName": ["DeleteAlarms", "DisableAlarmActions"],
        "requestParameters": {"alarmNames": [{"prefix": f"transaction-monitoring-{env}/"}]},
    }


def test_rules_match_calls_on_our_resources_only(run_layer, env: str) -> None:
    rules = run_layer("monitoring", env).all(RULE)
    patterns = {each.name: json.loads(each.inputs["eventPattern"]) for each in rules}
    assert {name: pattern["detail"] for name, pattern in patterns.items()} == {
        f"rule-{name}-{env}": detail for name, detail in (CALLS | {"alarms-endangered": silencing(env)}).items()
    }
    assert {pattern["source"][0] for pattern in patterns.values()} == SOURCES
    jobs = patterns.pop(f"rule-copy-failed-{env}")
    assert jobs["detail-type"] == ["Backup Job State Change", "Copy Job State Change"]
    assert all("AWS API Call via CloudTrail" in pattern["detail-type"] for pattern in patterns.values())


def test_rules_with_the_longest_suffix_are_within_eventbridge_quotas(run_layer) -> None:
    suffix = "a" * LONGEST_SUFFIX
    upstream = {name: contract.example() | {"environment_suffix": suffix} for name, contract in CONTRACTS.items()}
    # The secrets that RDS makes have the longest names.
    name = "rds!db-12345678-1234-1234-1234-123456789012-a1B2c3"
    upstream["data"]["rds_secret_arn"] = f"arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:{name}"
    rules = run_layer("monitoring", "prod", config={"environmentSuffix": suffix}, upstream=upstream).all(RULE)
    assert len(rules) == len(CALLS) + 1
    for each in rules:
        assert len(each.inputs["name"]) <= 64
        assert len(each.inputs["eventPattern"]) <= 2048


def test_the_topic_policy_exists_before_its_publishers(run_layer, env: str) -> None:
    waits_for = run_layer("monitoring", env).waits_for
    for publisher in ("rds-events", *(f"target-{name}" for name in CALLS)):
        assert {f"{topic}-policy-{env}" for topic in ("alerts-topic", "fallback-topic")} <= waits_for[
            f"{publisher}-{env}"
        ]


def test_each_rule_sends_its_runbook_to_the_topic(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    targets = run.all("aws:cloudwatch/eventTarget:EventTarget")
    assert {each.inputs["rule"] for each in targets} == {each.name for each in run.all(RULE)}
    for each in targets:
        endangers_the_topic = each.name == f"target-key-endangered-{env}"
        assert each.inputs["arn"] == (fallback_topic(env) if endangers_the_topic else run.exports["alerts_topic_arn"])
        transformer = each.inputs["inputTransformer"]
        used = set(re.findall(r"<(\w+)>", transformer["inputTemplate"]))
        assert used == transformer["inputPaths"].keys()
        assert json.loads(transformer["inputTemplate"])["means"]


def test_the_rule_on_a_read_only_call_receives_it(run_layer) -> None:
    run = run_layer("monitoring", "dev")
    states = {each.name: each.inputs["state"] for each in run.all(RULE)}
    assert states["rule-secret-read-dev"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    assert {states["rule-key-endangered-dev"], states["rule-secret-endangered-dev"]} == {"ENABLED"}


def test_rds_events_go_to_the_topic(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    events = run.one("aws:rds/eventSubscription:EventSubscription")
    assert events["snsTopic"] == run.exports["alerts_topic_arn"]
    assert (events["sourceType"], events["sourceIds"]) == ("db-instance", [DATA["rds_identifier"]])
    assert events["eventCategories"] == [
        "availability",
        "configuration change",
        "deletion",
        "failover",
        "failure",
        "low storage",
        "maintenance",
    ]


# Dashboard, queries and budget


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Calculated(Strict):
    """A metric that is an expression."""

    expression: str
    label: str | None = None
    id: Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9_]*$")] | None = None


def _named(metric: list[Any]) -> list[Any]:
    """Check a metric: namespace, name and pairs of dimension and value, or an expression alone."""
    match metric:
        case [dict(calculated)]:
            Calculated.model_validate(calculated)
        case _ if len(metric) < 2 or len(metric) % 2 or not all(part and isinstance(part, str) for part in metric):
            raise ValueError(f"{metric} is not a metric")
    return metric


class Graph(Strict):
    title: str
    region: Annotated[str, Field(pattern=r"^[a-z]+-[a-z]+-\d$")]
    view: Literal["timeSeries", "singleValue", "gauge", "bar", "pie", "table"]
    stat: Literal["SampleCount", "Average", "Sum", "Minimum", "Maximum"]
    period: Annotated[int, Field(ge=60, multiple_of=60)]
    metrics: Annotated[list[Annotated[list[Any], AfterValidator(_named)]], Field(min_length=1, max_length=500)]


class AlarmStates(Strict):
    title: str
    alarms: Annotated[list[Annotated[str, Field(pattern="^arn:aws:")]], Field(min_length=1, max_length=100)]


class Text(Strict):
    markdown: Annotated[str, Field(min_length=1)]


class Placed(Strict):
    x: Annotated[int, Field(ge=0, le=23)]
    y: Annotated[int, Field(ge=0)]
    width: Annotated[int, Field(ge=1, le=24)]
    height: Annotated[int, Field(ge=1, le=1000)]


class GraphWidget(Placed):
    type: Literal["metric"]
    properties: Graph


class AlarmWidget(Placed):
    type: Literal["alarm"]
    properties: AlarmStates


class TextWidget(Placed):
    type: Literal["text"]
    properties: Text


class Dashboard(Strict):
    """A valid dashboard body (CloudWatch API reference, "Dashboard body structure and syntax")."""

    widgets: Annotated[
        list[Annotated[GraphWidget | AlarmWidget | TextWidget, Field(discriminator="type")]], Field(max_length=500)
    ]


def test_the_dashboard_body_is_valid(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    shown = Dashboard.model_validate_json(run.one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"])
    covered: set[tuple[int, int]] = set()
    for widget in shown.widgets:
        assert widget.x + widget.width <= 24
        cells = {
            (x, y)
            for x in range(widget.x, widget.x + widget.width)
            for y in range(widget.y, widget.y + widget.height)
        }
        assert not covered & cells
        covered |= cells
    [states] = [widget.properties for widget in shown.widgets if isinstance(widget, AlarmWidget)]
    assert len(states.alarms) == len(set(states.alarms)) == len(run.exports["alarm_names"]) - 1
    assert not any("heartbeat" in arn for arn in states.alarms)
    regions = {widget.properties.region for widget in shown.widgets if isinstance(widget, GraphWidget)}
    assert regions == {"ap-northeast-1"}


def test_the_dashboard_shows_every_stage_of_a_transaction(run_layer) -> None:
    body = run_layer("monitoring", "dev").one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"]
    for shown in (
        STREAMING["kinesis_stream_name"],
        *DATA["redis_member_ids"],
        DATA["rds_identifier"],
        PROCESSING["consumer_function_name"],
        "transaction-dead-letters-dev",
        NETWORK["vpc_id"],
    ):
        assert shown in body


def test_saved_queries_search_existing_log_groups(run_layer, env: str) -> None:
    run = run_layer("monitoring", env)
    existing = {
        run.exports["log_group_name"],
        run.exports["flow_log_group_name"],
        PROCESSING["processing_log_group_name"],
        *DATA["rds_log_group_names"],
        *DATA["redis_log_group_names"],
    }
    queries = run.all("aws:cloudwatch/queryDefinition:QueryDefinition")
    assert len(queries) == 4
    for each in queries:
        assert each.inputs["name"].startswith(f"transaction-monitoring-{env}/")
        assert each.inputs["logGroupNames"]
        assert set(each.inputs["logGroupNames"]) <= existing
    # The queries that runbooks refer to.
    described = " ".join(alarm["alarmDescription"] for alarm in alarms(run).values())
    assert set(re.findall(r"saved query '([\w-]+)'", described)) <= {
        each.inputs["name"].rpartition("/")[2] for each in queries
    }


@pytest.mark.usefixtures("secret_subscriptions")
def test_production_has_a_budget_that_mails_the_subscribers(run_layer) -> None:
    assert not run_layer("monitoring", "dev").all("aws:budgets/budget:Budget")
    budget = run_layer("monitoring", "prod", config={"subscriptions": SUBSCRIPTIONS}).one("aws:budgets/budget:Budget")
    assert (budget["limitAmount"], budget["limitUnit"], budget["timeUnit"]) == ("1200", "USD", "MONTHLY")
    # Only resources with the tags of this environment count.
    assert "costFilters" not in budget
    counted = {each["tags"]["key"]: each["tags"]["values"] for each in budget["filterExpression"]["ands"]}
    assert counted == {"Project": ["txmon"], "Environment": ["prod"]}
    assert budget["metrics"] == "UnblendedCost"
    assert [each["notificationType"] for each in unwrapped(budget["notifications"])] == ["ACTUAL", "FORECASTED"]
    for each in unwrapped(budget["notifications"]):
        assert unwrapped(each["subscriberEmailAddresses"]) == ["team@example.com"]


def unwrapped(value: Any) -> Any:
    return unwrap_rpc_secret(value) if is_rpc_secret(value) else value


# Previews and settings


def test_a_preview_works_before_other_layers_are_deployed(run_layer) -> None:
    nothing: dict[str, dict[str, Any]] = {name: {} for name in LAYERS["monitoring"].reads}
    run = run_layer("monitoring", "dev", upstream=nothing, preview=True)
    assert alarms(run).keys() == alarms(run_layer("monitoring", "dev")).keys()


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"iteratorAge": 5}, "did you mean 'iteratorAgeSeconds'?"),
        ({"iteratorAgeSeconds": 0}, "iteratorAgeSeconds: input should be greater than 0, not 0"),
        ({"logRetentionDays": 8}, "logRetentionDays: 8 must be one of 1, 3, 5, 7,"),
        ({"freeStoragePercent": 10}, "freeStoragePercent: input should be less than or equal to 9, not 10"),
        ({"routineSecretReaders": ["deployers"]}, "routineSecretReaders.0: 'deployers' must be role/<path/name>,"),
        ({"monthlyBudgetUsd": -1}, "monthlyBudgetUsd: input should be greater than or equal to 0, not -1"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_sentence(values: dict[str, Any], error: str) -> None:
    assert error in sentence(**values)
    assert sentence(**values).startswith("projects/monitoring/Pulumi.test.yaml: ")


@pytest.mark.parametrize(
    ("protocol", "endpoint", "error"),
    [
        ("email", "team", "an endpoint of email must be as name@example.com"),
        ("email-json", "@", "an endpoint of email-json must be as name@example.com"),
        ("https", "http://pager.example.com", "an endpoint of https must be as https://..."),
        ("https", "https://", "an endpoint of https must be as https://..."),
        ("sms", "0190-1234", "an endpoint of sms must be as +819012345678"),
        ("sqs", "my-queue", "an endpoint of sqs must be as arn:aws:sqs:..."),
        ("lambda", "arn:aws:sqs:eu-west-1:1:q", "an endpoint of lambda must be as arn:aws:lambda:..."),
        ("http", "http://pager.example.com", "there is no protocol 'http'; did you mean 'https'?"),
        ("pigeon", "coop", "there is no protocol 'pigeon'; there are: email, email-json, https, sms, sqs, lambda"),
    ],
)
@pytest.mark.parametrize("secret", [(), ("subscriptions",)], ids=["plain", "secret"])
def test_the_error_for_an_invalid_subscription_hides_its_endpoint(
    protocol: str, endpoint: str, error: str, secret: tuple[str, ...]
) -> None:
    bad = {"protocol": protocol, "endpoint": endpoint}
    message = sentence(subscriptions=json.dumps([SUBSCRIPTIONS[0], bad]), secret=secret)
    assert message == f"projects/monitoring/Pulumi.test.yaml: subscriptions.1: {error}"
    assert endpoint not in message.partition("must be as")[0]


def test_a_repeated_endpoint_is_refused() -> None:
    again = SUBSCRIPTIONS[0] | {"receives": "pages"}
    message = sentence(subscriptions=[*SUBSCRIPTIONS, again], secret=("subscriptions",))
    assert message.endswith("subscriptions.3 has the endpoint of subscriptions.0")
