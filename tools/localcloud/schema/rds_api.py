"""What RDS's and ElastiCache's APIs have in common: how they tag, and how they set the parameters of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.schema.spec import Tagging, arn_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.localcloud.schema.spec import ResourceContext
    from tools.localcloud.schema.values import Props

TAGGING: Final = Tagging(
    target="ResourceName",
    add="add_tags_to_resource",
    remove="remove_tags_from_resource",
    read="list_tags_for_resource",
    response_path="TagList",
    of=arn_of,
)
BATCH: Final = 20
"""The most parameters that one call takes, in both APIs."""


def by_name(parameters: list[Props]) -> Any:
    """Return parameters without their order, for comparison; RDS applies them at once by default."""
    return {each["name"]: (str(each["value"]), each.get("applyMethod") or "immediate") for each in parameters}


def set_parameters(
    ctx: ResourceContext, current: list[Props], send: Callable[[str, list[dict[str, str]]], object]
) -> None:
    """Set the wanted parameters of a group and reset those of `current` that are no longer wanted.

    `send` takes the verb, `modify` or `reset`, and at most `BATCH` parameters as AWS writes them.
    """
    wanted = ctx.get("parameters") or []
    names = {each["name"] for each in wanted}
    dropped = [each for each in current if each["name"] not in names]
    for verb, parameters in (("modify", wanted), ("reset", dropped)):
        for start in range(0, len(parameters), BATCH):
            send(verb, [_to_aws(each) for each in parameters[start : start + BATCH]])


def _to_aws(parameter: Props) -> dict[str, str]:
    pair = {"ParameterName": parameter["name"], "ParameterValue": str(parameter["value"])}
    return pair | ({"ApplyMethod": parameter["applyMethod"]} if parameter.get("applyMethod") else {})
