"""Describes CloudWatch Logs: groups, metric filters, data protection and saved queries."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging, arn_of, keys
from tools.localcloud.schema.validators import Known, json_text, matches, one_of, shown

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext
    from tools.localcloud.schema.values import Props

DAYS = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
GROUP_NAME = r"[.\-_/#A-Za-z0-9]{1,512}"
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


def _protect(ctx: ResourceContext) -> None:
    ctx.call(
        "put_log_group_deletion_protection",
        logGroupIdentifier=ctx.id,
        deletionProtectionEnabled=bool(ctx.get("deletionProtectionEnabled")),
    )


def _delete_group(ctx: ResourceContext) -> None:
    if ctx.get("deletionProtectionEnabled"):
        raise ctx.error("OperationAbortedException", f"{ctx.id} has deletionProtectionEnabled")
    ctx.call("delete_log_group", logGroupName=ctx.id)


def _encode_transformation(given: Props) -> list[dict[str, Any]]:
    """Return the one transformation of a filter as AWS has it: in a list."""
    transformation = {TRANSFORMATION.get(key, key): value for key, value in given.items() if value is not None}
    if default := transformation.pop("defaultValue", None):
        transformation["defaultValue"] = float(default)
    return [transformation]


def _decode_transformation(found: list[dict[str, Any]]) -> Props:
    names = {aws: ours for ours, aws in TRANSFORMATION.items()}
    return {names.get(key, key): value for key, value in found[0].items()}


def _default_value(news: Known) -> str | None:
    value = (news.get("metricTransformation") or {}).get("defaultValue")
    try:
        float(value or 0)
    except ValueError:
        return f"metricTransformation.defaultValue {shown(value)} is not a number"
    return None


def _put_filter(ctx: ResourceContext) -> str:
    return ctx.create("put_metric_filter")


def _read_filter(ctx: ResourceContext) -> dict[str, Any] | None:
    group = ctx.state.get("logGroupName")
    if group is None:  # an import: group:filter
        group, _, ctx.id = ctx.id.rpartition(":")
    for found in ctx.call("describe_metric_filters", logGroupName=group, filterNamePrefix=ctx.id)["metricFilters"]:
        if found["filterName"] == ctx.id:
            return {**found, "logGroupName": group}
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
        requests=("create_log_group",),
        validators=(one_of("retentionInDays", *DAYS),),
        create=lambda ctx: ctx.create("create_log_group"),
        read=_read_group,
        delete=_delete_group,
        setters=(
            Setter(keys("retentionInDays"), _retain),
            Setter(keys("deletionProtectionEnabled"), _protect, create=False),
        ),
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
        names={
            "name": "filterName",
            "pattern": "filterPattern",
            "metricTransformation": "metricTransformations",
        },
        codecs={"metricTransformation": (_encode_transformation, _decode_transformation)},
        canonical={"metricTransformation": lambda given: {"unit": "None", **given}},
        name="name",
        name_limit=512,
        requests=("put_metric_filter",),
        validators=(_default_value,),
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
        not_emulated="the emulator has no data protection of logs",
        names={"logGroupName": "logGroupIdentifier"},
        case=str,
        requests=("put_data_protection_policy",),
        validators=(
            json_text("policyDocument"),
            matches("logGroupName", GROUP_NAME, "is not the name of a log group"),
        ),
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
        case=str,
        name="name",
        requests=("put_query_definition",),
        validators=(
            matches("name", r"(?!/)[^:*]*(?<!/)", "cannot have a colon or asterisk, nor begin or end with a slash"),
        ),
        not_emulated="the emulator has no saved queries",
        create=_keep_query,
        read=lambda ctx: ctx.state or None,
        delete=lambda _ctx: None,
    ),
)
