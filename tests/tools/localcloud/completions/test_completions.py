"""Tests what all completions have in common."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.support.emulator import KEY, client, running
from tools.localcloud import emulator
from tools.localcloud.completions import COMPLETIONS

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "arn:aws:sns:ap-northeast-1:000000000000:events"


def test_an_operation_is_completed_once() -> None:
    every = Counter((each.service, name) for each in COMPLETIONS for name in each.operations)
    refused = Counter((each.service, name) for each in COMPLETIONS for name in each.refusals)
    assert {*every.values(), *refused.values()} == {1}


@pytest.mark.local
def test_what_is_added_is_saved_with_the_rest_and_reset_with_it(tmp_path: Path) -> None:
    with running(tmp_path) as port:
        given = {"DBInstanceClass": "db.t4g.micro", "Engine": "postgres", "MasterUsername": "u"}
        client("rds", port).create_db_instance(
            DBInstanceIdentifier="kept", ManageMasterUserPassword=True, PreferredBackupWindow="01:00-02:00", **given
        )
        client("rds", port).create_event_subscription(SubscriptionName="kept", SnsTopicArn=TOPIC)
        client("logs", port).put_query_definition(name="kept", queryString="fields @message")
    with running(tmp_path) as port:
        rds = client("rds", port)
        (instance,) = rds.describe_db_instances()["DBInstances"]
        assert (instance["PreferredBackupWindow"], "MasterUserSecret" in instance) == ("01:00-02:00", True)
        assert len(rds.describe_event_subscriptions()["EventSubscriptionsList"]) == 1
        assert len(client("logs", port).describe_query_definitions()["queryDefinitions"]) == 1
        emulator.empty(port, KEY)
        assert rds.describe_event_subscriptions()["EventSubscriptionsList"] == []


@pytest.mark.local
def test_what_is_added_belongs_to_a_region(tmp_path: Path) -> None:
    with running(tmp_path) as port:
        client("rds", port).create_event_subscription(SubscriptionName="here", SnsTopicArn=TOPIC)
        elsewhere = client("rds", port, region="us-east-1")
        assert elsewhere.describe_event_subscriptions()["EventSubscriptionsList"] == []


@pytest.mark.local
def test_a_refusal_of_ministack_reaches_the_client_as_it_is(port: int) -> None:
    with pytest.raises(ClientError, match=r"\(InvalidVpcEndpointId.NotFound\)"):
        client("ec2", port).modify_vpc_endpoint(VpcEndpointId="vpce-none")


@pytest.mark.local
def test_the_metrics_of_a_streams_shards_are_shown(port: int) -> None:
    kinesis = client("kinesis", port)
    kinesis.create_stream(StreamName="s", ShardCount=1)
    kinesis.enable_enhanced_monitoring(StreamName="s", ShardLevelMetrics=["OutgoingBytes", "IncomingBytes"])
    summary = kinesis.describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]
    whole = kinesis.describe_stream(StreamName="s")["StreamDescription"]
    for found in (summary, whole):
        assert found["EnhancedMonitoring"] == [{"ShardLevelMetrics": ["IncomingBytes", "OutgoingBytes"]}]


@pytest.mark.local
def test_an_alarm_of_metric_math_has_no_metric_of_its_own(port: int) -> None:
    stat = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
    queries = [{"Id": "a", "Expression": "b * 2", "ReturnData": True}, {"Id": "b", "MetricStat": stat}]
    cloudwatch = client("cloudwatch", port)
    given = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 1.0, "EvaluationPeriods": 1}
    cloudwatch.put_metric_alarm(AlarmName="math", Metrics=queries, **given)
    (found,) = cloudwatch.describe_alarms(AlarmNames=["math"])["MetricAlarms"]
    assert found["Metrics"] == queries
    assert not {"MetricName", "Statistic", "Period"} & found.keys()


@pytest.mark.local
def test_a_stream_has_the_tags_that_it_is_created_with(port: int) -> None:
    kinesis = client("kinesis", port)
    kinesis.create_stream(StreamName="tagged", ShardCount=1, Tags={"first": "1", "second": "2"})
    arn = kinesis.describe_stream_summary(StreamName="tagged")["StreamDescriptionSummary"]["StreamARN"]
    kinesis.tag_resource(ResourceARN=arn, Tags={"third": "3"})
    kinesis.untag_resource(ResourceARN=arn, TagKeys=["first"])
    wanted = [{"Key": "second", "Value": "2"}, {"Key": "third", "Value": "3"}]
    assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == wanted
    assert kinesis.list_tags_for_stream(StreamName="tagged")["Tags"] == wanted
