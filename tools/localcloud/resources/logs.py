"""Describes CloudWatch Logs: groups, metric filters, data protection and saved queries."""

from __future__ import annotations

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


def _set_key(ctx: ResourceContext) -> None:
    key = ctx.get("kmsKeyId")
    ctx.call("associate_kms_key" if key else "disassociate_kms_key", logGroupName=ctx.id, kmsKeyId=key)


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


def _put_protection(ctx: ResourceContext) -> str:
    ctx.create("put_data_protection_policy")
    return str(ctx.get("logGroupName"))


def _read_protection(ctx: ResourceContext) -> dict[str, Any] | None:
    found = ctx.call("get_data_protection_policy", logGroupIdentifier=ctx.id)
    return found if found.get("policyDocument") else None


def _change_query(ctx: ResourceContext) -> None:
    ctx.create("put_query_definition", queryDefinitionId=ctx.id)


def _read_query(ctx: ResourceContext) -> dict[str, Any] | None:
    if ctx.id.startswith("arn:"):  # an import
        ctx.id = ctx.id.rpartition(":")[2]
    for found in ctx.call("describe_query_definitions")["queryDefinitions"]:
        if found["queryDefinitionId"] == ctx.id:
            return {**found, "arn": ctx.arn("logs", f"query-definition:{ctx.id}")}
    return None


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
        name="name",
        name_limit=512,
        requests=("create_log_group",),
        validators=(one_of("retentionInDays", *DAYS),),
        create=lambda ctx: ctx.create("create_log_group"),
        read=_read_group,
        delete=lambda ctx: ctx.call("delete_log_group", logGroupName=ctx.id),
        setters=(
            Setter(keys("retentionInDays"), _retain),
            Setter(keys("kmsKeyId"), _set_key, create=False),
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
        names={"logGroupName": "logGroupIdentifier"},
        case=str,
        requests=("put_data_protection_policy",),
        validators=(
            json_text("policyDocument"),
            matches("logGroupName", GROUP_NAME, "is not the name of a log group"),
        ),
        create=_put_protection,
        read=_read_protection,
        delete=lambda ctx: ctx.call("delete_data_protection_policy", logGroupIdentifier=ctx.id),
        setters=(Setter(keys("policyDocument"), _put_protection, create=False),),
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
        create=lambda ctx: ctx.create("put_query_definition", "queryDefinitionId"),
        read=_read_query,
        delete=lambda ctx: ctx.call("delete_query_definition", queryDefinitionId=ctx.id),
        setters=(Setter(keys("name queryString logGroupNames"), _change_query, create=False),),
    ),
)
