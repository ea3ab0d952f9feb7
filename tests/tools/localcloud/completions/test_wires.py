"""Tests how requests are read and answers written, with botocore on the other side."""

from __future__ import annotations

import http.client
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import cbor2
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from tests.support.emulator import KEY, client
from tools.localcloud.completions.wires import FORM, WholeForm
from tools.localcloud.ministack_adapter import HOST, REGION

REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "flat lists and structures": (
        "ec2",
        "CreateVpcEndpoint",
        {
            "VpcId": "v",
            "SubnetIds": ["a", "b"],
            "PrivateDnsEnabled": False,
            "TagSpecifications": [{"ResourceType": "vpc-endpoint", "Tags": [{"Key": "k", "Value": ""}]}],
        },
    ),
    "named items and numbers": (
        "rds",
        "ModifyDBInstance",
        {
            "DBInstanceIdentifier": "a.b&c=d",
            "VpcSecurityGroupIds": ["sg-1", "sg-2"],
            "BackupRetentionPeriod": 7,
            "CloudwatchLogsExportConfiguration": {"EnableLogTypes": ["x"]},
        },
    ),
    "lists of more than nine": ("elasticache", "CreateReplicationGroup", {"SecurityGroupIds": list("abcdefghijkl")}),
    "times and doubles": (
        "cloudwatch",
        "PutMetricData",
        {
            "Namespace": "n",
            "MetricData": [{"MetricName": "m", "Value": 1.5, "Timestamp": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)}],
        },
    ),
}
ANSWERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "EC2's": (
        "ec2",
        "DescribeVpcEndpoints",
        {"VpcEndpoints": [{"VpcEndpointId": "v", "Groups": [{"GroupId": "<&>"}], "PrivateDnsEnabled": True}]},
    ),
    "with named items": (
        "rds",
        "DescribeDBInstances",
        {
            "DBInstances": [
                {
                    "VpcSecurityGroups": [{"VpcSecurityGroupId": "s"}],
                    "AllocatedStorage": 20,
                    "InstanceCreateTime": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
                }
            ]
        },
    ),
    "without a wrapper": ("rds", "AddTagsToResource", {}),
}


@pytest.mark.parametrize(("service", "operation", "request_"), REQUESTS.values(), ids=REQUESTS)
def test_a_form_is_read_as_botocore_writes_it(service: str, operation: str, request_: dict[str, Any]) -> None:
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service).operation_model(operation)
    protocol = "ec2" if service == "ec2" else "query"
    form = create_serializer(protocol, include_validation=False).serialize_to_request(request_, model)["body"]
    assert WholeForm(service, operation).request(urlencode(form).encode()) == request_


@pytest.mark.parametrize(("service", "operation", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_written_as_botocore_reads_it(service: str, operation: str, answer: dict[str, Any]) -> None:
    wire = WholeForm(service, operation)
    assert wire.answer(wire.reply(answer)) == answer


@pytest.mark.parametrize("service", ["ec2", "rds"])
def test_a_refusal_is_written_as_botocore_reads_it(service: str) -> None:
    operation = {"ec2": "CreateVpcEndpoint", "rds": "CreateDBInstance"}[service]
    wire = WholeForm(service, operation)
    whole = {"headers": {}, "status_code": 400, "body": wire.error("Code", "message <&>")}
    found = create_parser(wire.protocol).parse(whole, wire.model.output_shape)
    assert (found["Error"]["Code"], found["Error"]["Message"]) == ("Code", "message <&>")


@pytest.mark.local
@pytest.mark.parametrize("protocol", ["form", "CBOR"])
def test_older_and_newer_clients_see_all_of_an_alarm(port: int, protocol: str) -> None:
    name = f"seen-{protocol}"
    client("cloudwatch", port).put_metric_alarm(
        AlarmName=name, Namespace="n", MetricName="m", ComparisonOperator="GreaterThanThreshold", Threshold=2,
        ExtendedStatistic="p99", Period=60, EvaluationPeriods=3, AlarmActions=["topic"],
        Dimensions=[{"Name": "d", "Value": "v"}],
    )  # fmt: skip
    (alarm,) = send(port, protocol, name)["MetricAlarms"]
    assert (alarm["MetricName"], alarm["Threshold"], alarm["EvaluationPeriods"]) == ("m", 2.0, 3)
    assert (alarm["ExtendedStatistic"], "Statistic" in alarm, alarm["AlarmActions"]) == ("p99", False, ["topic"])
    assert alarm["Dimensions"] == [{"Name": "d", "Value": "v"}]
    assert alarm["StateUpdatedTimestamp"].tzinfo


def send(port: int, protocol: str, name: str) -> dict[str, Any]:
    """Describe an alarm in a protocol that boto3 does not speak any more, or not yet."""
    path, body = (
        "/service/GraniteServiceVersion20100801/operation/DescribeAlarms",
        cbor2.dumps({"AlarmNames": [name]}),
    )
    if protocol == "form":
        path, body = "/", urlencode({"Action": "DescribeAlarms", "AlarmNames.member.1": name}).encode()
    kind = FORM if protocol == "form" else "application/cbor"
    headers = {"Content-Type": kind, "Smithy-Protocol": "rpc-v2-cbor"}
    request = AWSRequest("POST", f"http://{HOST}:{port}{path}", headers, body)
    SigV4Auth(Credentials(KEY.identity, KEY.secret), "monitoring", REGION).add_auth(request)
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("POST", path, body, dict(request.headers))
    answer = connection.getresponse().read()
    connection.close()
    if protocol == "CBOR":
        return dict(cbor2.loads(answer))
    model = ServiceModel(Loader().load_service_model("cloudwatch", "service-2"), "cloudwatch")
    whole = {"headers": {}, "status_code": 200, "body": answer}
    return dict(create_parser("query").parse(whole, model.operation_model("DescribeAlarms").output_shape))
