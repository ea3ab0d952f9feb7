"""CloudWatch Logs: groups, metric filters, data protection and saved queries."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging
from tools.localcloud.schema.validators import json_text, one_of

if TYPE_CHECKING:
    from tools.localcloud.schema.lifecycle import Operation

DAYS = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


def _read_group(op: Operation) -> dict[str, Any] | None:
    for group in op.call("describe_log_groups", logGroupNamePrefix=op.id)["logGroups"]:
        if group["logGroupName"] == op.id:
            return {"retentionInDays": 0, **group, "arn": group["arn"].removesuffix(":*")}
    return None


def _retain(op: Operation) -> None:
    days = op.want("retentionInDays")
    if days:
        op.call("put_retention_policy", logGroupName=op.id, retentionInDays=days)
    else:
        op.call("delete_retention_policy", logGroupName=op.id)


def _delete_group(op: Operation) -> None:
    if op.want("deletionProtectionEnabled"):
        raise op.refuse("OperationAbortedException", f"{op.id} has deletionProtectionEnabled")
    op.call("delete_log_group", logGroupName=op.id)


def _put_filter(op: Operation) -> str:
    given = {key: value for key, value in op.want("metricTransformation").items() if value is not None}
    names = {"name": "metricName", "namespace": "metricNamespace", "value": "metricValue"}
    transformation = {names.get(key, key): value for key, value in given.items()}
    if "defaultValue" in transformation:
        transformation["defaultValue"] = float(transformation["defaultValue"])
    op.call(
        "put_metric_filter",
        logGroupName=op.want("logGroupName"),
        filterName=op.want("name"),
        filterPattern=op.want("pattern"),
        metricTransformations=[transformation],
    )
    return str(op.want("name"))


def _read_filter(op: Operation) -> dict[str, Any] | None:
    group = op.state.get("logGroupName")
    if group is None:  # an import: group:filter
        group, _, op.id = op.id.rpartition(":")
    for found in op.call("describe_metric_filters", logGroupName=group, filterNamePrefix=op.id)["metricFilters"]:
        if found["filterName"] == op.id:
            names = {"metricName": "name", "metricNamespace": "namespace", "metricValue": "value"}
            transformation = {names.get(k, k): v for k, v in found["metricTransformations"][0].items()}
            return {**found, "logGroupName": group, "metricTransformation": transformation}
    return None


def _keep_query(op: Operation) -> str:
    identity = str(uuid.uuid4())
    op.state |= {"queryDefinitionId": identity, "arn": op.arn("logs", f"query-definition:{identity}")}
    return identity


def _keep_protection(op: Operation) -> str:
    return str(op.want("logGroupName"))


SPECS = (
    Spec(
        kind="aws:cloudwatch/logGroup:LogGroup",
        client="logs",
        fixed="name namePrefix logGroupClass",
        mutable="retentionInDays kmsKeyId deletionProtectionEnabled tags",
        outputs="arn",
        computed="logGroupClass deletionProtectionEnabled",
        defaults={"retentionInDays": 0},
        case=str,
        names={"name": "logGroupName"},
        lost={
            "deletionProtectionEnabled": "the emulator has no protection of log groups; the provider refuses itself",
            "kmsKeyId": "the emulator cannot change a log group's key",
        },
        name="name",
        limit=512,
        checks=(
            one_of("retentionInDays", *DAYS),
            one_of("logGroupClass", "STANDARD", "INFREQUENT_ACCESS", "DELIVERY"),
        ),
        create=lambda op: op.make("create_log_group"),
        read=_read_group,
        delete=_delete_group,
        setters=(Setter("retentionInDays", _retain),),
        tagging=Tagging(
            target="resourceArn",
            add="tag_resource",
            remove="untag_resource",
            read="list_tags_for_resource",
            found="tags",
            tags="tags",
            keys="tagKeys",
            pair=None,
        ),
    ),
    Spec(
        kind="aws:cloudwatch/logMetricFilter:LogMetricFilter",
        client="logs",
        fixed="name logGroupName!",
        mutable="pattern! metricTransformation!",
        case=str,
        names={"name": "filterName", "pattern": "filterPattern"},
        canonical={"metricTransformation": lambda given: {"unit": "None", **given}},
        name="name",
        limit=512,
        create=_put_filter,
        read=_read_filter,
        delete=lambda op: op.call(
            "delete_metric_filter", logGroupName=op.want("logGroupName"), filterName=op.want("name")
        ),
        setters=(Setter("pattern metricTransformation", _put_filter, create=False),),
    ),
    Spec(
        kind="aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy",
        client="logs",
        fixed="logGroupName!",
        mutable="policyDocument!",
        documents="policyDocument",
        unique=True,
        missing="the emulator has no data protection of logs",
        checks=(json_text("policyDocument"),),
        create=_keep_protection,
        read=lambda op: op.state or None,
        delete=lambda _op: None,
    ),
    Spec(
        kind="aws:cloudwatch/queryDefinition:QueryDefinition",
        client="logs",
        mutable="name queryString! logGroupNames",
        outputs="arn queryDefinitionId",
        name="name",
        missing="the emulator has no saved queries",
        create=_keep_query,
        read=lambda op: op.state or None,
        delete=lambda _op: None,
    ),
)
