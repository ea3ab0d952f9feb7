"""EventBridge: rules and their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging, words
from tools.localcloud.schema.validators import exclusive, json_text, one_of

if TYPE_CHECKING:
    from tools.localcloud.provider.property_values import Props
    from tools.localcloud.schema.lifecycle import Operation

DEFAULT_BUS = "default"
RULE = "description eventPattern scheduleExpression roleArn state"
TARGET = "roleArn input inputPath inputTransformer deadLetterConfig retryPolicy"


def _transformer(given: Props) -> dict[str, Any]:
    paths = {"InputPathsMap": given["inputPaths"]} if given.get("inputPaths") else {}
    return paths | {"InputTemplate": given["inputTemplate"]}


def _given_transformer(found: dict[str, Any]) -> Props:
    return {"inputPaths": found.get("InputPathsMap"), "inputTemplate": found["InputTemplate"]}


def _rule(op: Operation) -> dict[str, str]:
    bus, _, name = op.id.rpartition("/")
    return {"Name": name, "EventBusName": bus or DEFAULT_BUS}


def _put_rule(op: Operation) -> str:
    name, bus = op.id.rpartition("/")[2] or op.physical_name(), op.want("eventBusName")
    op.call("put_rule", Name=name, EventBusName=bus, **op.encoded(words(RULE) & {"state", *op.given}))
    return str(name) if bus == DEFAULT_BUS else f"{bus}/{name}"


def _delete_rule(op: Operation) -> None:
    """AWS refuses while there are targets; the emulator does not."""
    key = _rule(op)
    targets = op.call("list_targets_by_rule", Rule=key["Name"], EventBusName=key["EventBusName"])["Targets"]
    if targets and not op.want("forceDestroy"):
        raise op.refuse(
            "ValidationException", f"rule {key['Name']} has targets: {', '.join(t['Id'] for t in targets)}"
        )
    if targets:
        op.call("remove_targets", Rule=key["Name"], EventBusName=key["EventBusName"], Ids=[t["Id"] for t in targets])
    op.call("delete_rule", **key)


def _put_target(op: Operation) -> str:
    target = op.encoded(words(f"arn targetId {TARGET}") & op.given.keys())
    answer = op.call("put_targets", Rule=op.want("rule"), EventBusName=op.want("eventBusName"), Targets=[target])
    if answer.get("FailedEntryCount"):
        failed = answer["FailedEntries"][0]
        raise op.refuse(failed["ErrorCode"], failed["ErrorMessage"])
    return f"{op.want('rule')}-{op.want('targetId')}"


def _read_target(op: Operation) -> dict[str, Any] | None:
    rule, wanted = op.state.get("rule"), op.state.get("targetId")
    bus = op.state.get("eventBusName") or DEFAULT_BUS
    if rule is None:  # an import: rule/target
        rule, _, wanted = op.id.rpartition("/")
        op.id = f"{rule}-{wanted}"
    for found in op.call("list_targets_by_rule", Rule=rule, EventBusName=bus)["Targets"]:
        if found["Id"] == wanted:
            return {**found, "Rule": rule, "EventBusName": bus}
    return None


def _remove_target(op: Operation) -> None:
    op.call("remove_targets", Rule=op.want("rule"), EventBusName=op.want("eventBusName"), Ids=[op.want("targetId")])


SPECS = (
    Spec(
        kind="aws:cloudwatch/eventRule:EventRule",
        client="events",
        fixed="name namePrefix eventBusName",
        mutable=f"{RULE} tags",
        local="forceDestroy",
        outputs="arn",
        defaults={"eventBusName": DEFAULT_BUS, "forceDestroy": False, "state": "ENABLED"},
        documents="eventPattern",
        name="name",
        limit=64,
        checks=(
            json_text("eventPattern"),
            one_of("state", "ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"),
            lambda news: (
                "eventPattern or scheduleExpression must be given"
                if news.lacks("eventPattern") and news.lacks("scheduleExpression")
                else None
            ),
        ),
        create=_put_rule,
        read=lambda op: op.call("describe_rule", **_rule(op)),
        delete=_delete_rule,
        setters=(Setter(RULE, _put_rule, create=False),),
        tagging=Tagging(
            target="ResourceARN", add="tag_resource", remove="untag_resource", read="list_tags_for_resource"
        ),
    ),
    Spec(
        kind="aws:cloudwatch/eventTarget:EventTarget",
        client="events",
        fixed="rule! targetId eventBusName",
        mutable=f"arn! {TARGET}",
        defaults={"eventBusName": DEFAULT_BUS},
        documents="input",
        names={"targetId": "Id"},
        codecs={"inputTransformer": (_transformer, _given_transformer)},
        name="targetId",
        limit=64,
        unique=True,
        checks=(exclusive("input", "inputPath", "inputTransformer"), json_text("input")),
        create=_put_target,
        read=_read_target,
        delete=_remove_target,
        setters=(Setter(f"arn {TARGET}", _put_target, create=False),),
    ),
)
