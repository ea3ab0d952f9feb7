"""Describes EventBridge's rules on the default event bus, and their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging, arn_of, keys
from tools.localcloud.schema.validators import arns, json_text

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext
    from tools.localcloud.schema.values import Props

RULE = keys("description eventPattern state")
TARGET = keys("arn inputTransformer")


def _encode_transformer(given: Props) -> dict[str, Any]:
    paths = {"InputPathsMap": given["inputPaths"]} if given.get("inputPaths") else {}
    return paths | {"InputTemplate": given.get("inputTemplate")}


def _decode_transformer(found: dict[str, Any]) -> Props:
    return {"inputPaths": found.get("InputPathsMap"), "inputTemplate": found["InputTemplate"]}


def _put_rule(ctx: ResourceContext) -> str:
    ctx.call("put_rule", Name=ctx.get("name"), **ctx.arguments(RULE & {"state", *ctx.inputs}))
    return str(ctx.get("name"))


def _put_target(ctx: ResourceContext) -> str:
    target = ctx.arguments((TARGET | {"targetId"}) & ctx.inputs.keys())
    response = ctx.call("put_targets", Rule=ctx.get("rule"), Targets=[target])
    if response.get("FailedEntryCount"):
        failed = response["FailedEntries"][0]
        raise ctx.error(failed["ErrorCode"], failed["ErrorMessage"])
    return f"{ctx.get('rule')}-{ctx.get('targetId')}"


def _read_target(ctx: ResourceContext) -> dict[str, Any] | None:
    rule, wanted = ctx.state.get("rule"), ctx.state.get("targetId")
    if rule is None:  # an import: rule/target
        rule, _, wanted = ctx.id.rpartition("/")
        ctx.id = f"{rule}-{wanted}"
    for found in ctx.call("list_targets_by_rule", Rule=rule)["Targets"]:
        if found["Id"] == wanted:
            return {**found, "Rule": rule}
    return None


SPECS = (
    Spec(
        kind="aws:cloudwatch/eventRule:EventRule",
        client="events",
        force_new=keys("name"),
        updatable=RULE | {"tags"},
        outputs=keys("arn"),
        required=keys("eventPattern"),
        defaults={"state": "ENABLED"},
        documents=keys("eventPattern"),
        name="name",
        name_limit=64,
        requests=("put_rule",),
        validators=(json_text("eventPattern"),),
        create=_put_rule,
        read=lambda ctx: ctx.call("describe_rule", Name=ctx.id),
        delete=lambda ctx: ctx.call("delete_rule", Name=ctx.id),
        setters=(Setter(RULE, _put_rule, create=False),),
        tagging=Tagging(
            target="ResourceARN",
            add="tag_resource",
            remove="untag_resource",
            read="list_tags_for_resource",
            of=arn_of,
        ),
    ),
    Spec(
        kind="aws:cloudwatch/eventTarget:EventTarget",
        client="events",
        force_new=keys("rule targetId"),
        updatable=TARGET,
        required=keys("rule arn"),
        names={"targetId": "Id"},
        codecs={"inputTransformer": (_encode_transformer, _decode_transformer)},
        name="targetId",
        name_limit=64,
        requests=("put_targets", "put_targets.Targets"),
        validators=arns("arn"),
        create=_put_target,
        read=_read_target,
        delete=lambda ctx: ctx.call("remove_targets", Rule=ctx.get("rule"), Ids=[ctx.get("targetId")]),
        setters=(Setter(TARGET, _put_target, create=False),),
    ),
)
