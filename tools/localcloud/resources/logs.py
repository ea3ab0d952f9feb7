"""Describes CloudWatch Logs: groups, metric filters, data protection and saved queries."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging, arn_of, keys
from tools.localcloud.schema.validators import json_text, one_of

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext

DAYS = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
TRANSFORMATION = {"name": "metricName", "namespace": "metricNamespace", "value": "metricValue"}


def _read_group(ctx: ResourceContext) -> dict[str, Any] | None:
    for group in ctx.call("describe_log_groups", logGroupNamePrefix=ctx.id)["logGroups"]:
        if group["logGroupName"] == ctx.id:
            return {"retentionInDays": 0, **group, "arn": group["arn"].removesuffix(":*")}
    return None


def _retain(ctx: ResourceContext) -> None:
    days = ctx.get("retentionInDays")
    if days:
        ctx.call("put_retention_policy", logGroupName=ctx.id, retentionInDays=days)
    else:
        ctx.call("delete_retention_policy", logGroupName=ctx.id)


def _delete_group(ctx: ResourceContext) -> None:
    if ctx.get("deletionProtectionEnabled"):
        raise ctx.error("OperationAbortedException", f"{ctx.id} has deletionProtectionEnabled")
    ctx.call("delete_log_group", logGroupName=ctx.id)


def _put_filter(ctx: ResourceContext) -> str:
    given = {key: value for key, value in ctx.get("metricTransformation").items() if value is not None}
    transformation = {TRANSFORMATION.get(key, key): value for key, value in given.items()}
    if "defaultValue" in transformation:
        transformation["defaultValue"] = float(transformation["defaultValue"])
    ctx.call(
        "put_metric_filter",
        logGroupName=ctx.get("logGroupName"),
        filterName=ctx.get("name"),
        filterPattern=ctx.get("pattern"),
        metricTransformations=[transformation],
    )
    return str(ctx.get("name"))


def _read_filter(ctx: ResourceContext) -> dict[str, Any] | None:
    group = ctx.state.get("logGroupName")
    if group is None:  # an import: group:filter
        group, _, ctx.id = ctx.id.rpartition(":")
    for found in ctx.call("describe_metric_filters", logGroupName=group, filterNamePrefix=ctx.id)["metricFilters"]:
        if found["filterName"] == ctx.id:
            names = {aws: ours for ours, aws in TRANSFORMATION.items()}
            transformation = {names.get(key, key): value for key, value in found["metricTransformations"][0].items()}
            return {**found, "logGroupName": group, "metricTransformation": transformation}
    return None


def _keep_query(ctx: ResourceContext) -> str:
    identity = str(uuid.uuid4())
    ctx.state |= {"queryDefinitionId": identity, "arn": ctx.arn("logs", f"query-definition:{identity}")}
    return identity


SPECS = (
    Spec(
        kind="aws:cloudwatch/logGroup:LogGroup",
        client="logs",
        force_new=keys("name logGroupClass"),
        updatable=keys("retentionInDays kmsKeyId deletionProtectionEnabled tags"),
        outputs=keys("arn"),
        computed=keys("logGroupClass deletionProtectionEnabled"),
        defaults={"retentionInDays": 0},
        case=str,
        names={"name": "logGroupName"},
        unsupported={
            "deletionProtectionEnabled": "the emulator has no protection of log groups; the provider refuses itself",
            "kmsKeyId": "the emulator cannot change a log group's key",
        },
        name="name",
        name_limit=512,
        validators=(
            one_of("retentionInDays", *DAYS),
            one_of("logGroupClass", "STANDARD", "INFREQUENT_ACCESS", "DELIVERY"),
        ),
        create=lambda ctx: ctx.create("create_log_group"),
        read=_read_group,
        delete=_delete_group,
        setters=(Setter(keys("retentionInDays"), _retain),),
        tagging=Tagging(
            target="resourceArn",
            add="tag_resource",
            remove="untag_resource",
            read="list_tags_for_resource",
            response_path="tags",
            tags="tags",
            tag_keys="tagKeys",
            pair=None,
            of=arn_of,
        ),
    ),
    Spec(
        kind="aws:cloudwatch/logMetricFilter:LogMetricFilter",
        client="logs",
        required=keys("logGroupName pattern metricTransformation"),
        force_new=keys("name logGroupName"),
        updatable=keys("pattern metricTransformation"),
        case=str,
        names={"name": "filterName", "pattern": "filterPattern"},
        canonical={"metricTransformation": lambda given: {"unit": "None", **given}},
        name="name",
        name_limit=512,
        create=_put_filter,
        read=_read_filter,
        delete=lambda ctx: ctx.call(
            "delete_metric_filter", logGroupName=ctx.get("logGroupName"), filterName=ctx.get("name")
        ),
        setters=(Setter(keys("pattern metricTransformation"), _put_filter, create=False),),
    ),
    Spec(
        kind="aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy",
        client="logs",
        required=keys("logGroupName policyDocument"),
        force_new=keys("logGroupName"),
        updatable=keys("policyDocument"),
        documents=keys("policyDocument"),
        delete_before_replace=True,
        not_emulated="the emulator has no data protection of logs",
        validators=(json_text("policyDocument"),),
        create=lambda ctx: str(ctx.get("logGroupName")),
        read=lambda ctx: ctx.state or None,
        delete=lambda _ctx: None,
    ),
    Spec(
        kind="aws:cloudwatch/queryDefinition:QueryDefinition",
        client="logs",
        required=keys("queryString"),
        updatable=keys("name queryString logGroupNames"),
        outputs=keys("arn queryDefinitionId"),
        name="name",
        not_emulated="the emulator has no saved queries",
        create=_keep_query,
        read=lambda ctx: ctx.state or None,
        delete=lambda _ctx: None,
    ),
)
