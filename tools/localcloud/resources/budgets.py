"""Describes budgets. They belong to the account, not to a region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging, arn_of, from_aws, keys, to_aws
from tools.localcloud.schema.validators import each_has, matches, needs, one_of

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext
    from tools.localcloud.schema.values import Props

LIMITS = keys("budgetType timeUnit limitAmount limitUnit filterExpression metrics")
NOTIFICATION = ("notificationType", "comparisonOperator", "threshold", "thresholdType")
SEVERAL = {"ands": "And", "ors": "Or"}
BRANCHES = {*SEVERAL.values(), "Not"}


def _target(ctx: ResourceContext) -> dict[str, str]:
    account, _, name = ctx.id.partition(":")
    return {"AccountId": account, "BudgetName": name}


def _expression(given: Props) -> dict[str, Any]:
    """Return a filter expression as AWS writes it: Pulumi's `ands` is AWS's `And`, on each level."""
    several = {name: [_expression(each) for each in given[key]] for key, name in SEVERAL.items() if given.get(key)}
    negated = {"Not": _expression(given["not"])} if given.get("not") else {}
    leaves: Props = to_aws({key: given.get(key) for key in ("costCategories", "dimensions", "tags")})
    return {**several, **negated, **leaves}


def _given(expression: dict[str, Any]) -> Props:
    several = {
        key: [_given(each) for each in expression[name]] for key, name in SEVERAL.items() if name in expression
    }
    negated = {"not": _given(expression["Not"])} if "Not" in expression else {}
    leaves: Props = from_aws({key: value for key, value in expression.items() if key not in BRANCHES})
    return {**several, **negated, **leaves}


def _budget(ctx: ResourceContext, name: str) -> dict[str, Any]:
    return {
        "BudgetName": name,
        "BudgetType": ctx.get("budgetType"),
        "TimeUnit": ctx.get("timeUnit"),
        "BudgetLimit": {"Amount": str(ctx.get("limitAmount")), "Unit": ctx.get("limitUnit")},
        **ctx.arguments(frozenset({"filterExpression", "metrics"}) & ctx.inputs.keys()),
    }


def _notification(given: Props) -> tuple[dict[str, Any], list[dict[str, str]]]:
    kinds = (("EMAIL", "subscriberEmailAddresses"), ("SNS", "subscriberSnsTopicArns"))
    subscribers = [
        {"SubscriptionType": kind, "Address": address} for kind, key in kinds for address in given.get(key) or ()
    ]
    return to_aws({key: given[key] for key in NOTIFICATION}), subscribers


def _create(ctx: ResourceContext) -> str:
    name = ctx.get("name")
    ctx.call("create_budget", AccountId=ctx.account, Budget=_budget(ctx, name))
    return f"{ctx.account}:{name}"


def _notify(ctx: ResourceContext) -> None:
    target = _target(ctx)
    for old in ctx.call("describe_notifications_for_budget", **target)["Notifications"]:
        ctx.call("delete_notification", **target, Notification=_only(old))
    for given in ctx.get("notifications") or ():
        notification, subscribers = _notification(given)
        ctx.call("create_notification", **target, Notification=notification, Subscribers=subscribers)


def _only(notification: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in notification.items() if key != "NotificationState"}


def _read(ctx: ResourceContext) -> dict[str, Any]:
    target = _target(ctx)
    budget: dict[str, Any] = ctx.call("describe_budget", **target, ShowFilterExpression=True)["Budget"]
    notifications = []
    for each in ctx.call("describe_notifications_for_budget", **target)["Notifications"]:
        told = ctx.call("describe_subscribers_for_notification", **target, Notification=_only(each))["Subscribers"]
        by_kind = {kind: [s["Address"] for s in told if s["SubscriptionType"] == kind] for kind in ("EMAIL", "SNS")}
        notifications.append(
            _only(each) | {"SubscriberEmailAddresses": by_kind["EMAIL"], "SubscriberSnsTopicArns": by_kind["SNS"]}
        )
    arn = ctx.arn("budgets", f"budget/{budget['BudgetName']}")
    return budget | {"Notifications": notifications, "Arn": arn}


SPECS = (
    Spec(
        kind="aws:budgets/budget:Budget",
        client="budgets",
        required=keys("budgetType timeUnit"),
        regional=False,
        force_new=keys("name"),
        updatable=LIMITS | {"notifications", "tags"},
        outputs=keys("arn"),
        computed=keys("limitAmount limitUnit"),
        unordered=keys("notifications"),
        names={"name": "BudgetName", "limitAmount": "BudgetLimit.Amount", "limitUnit": "BudgetLimit.Unit"},
        canonical={"limitAmount": float},
        codecs={
            "filterExpression": (_expression, _given),
            "metrics": (lambda metric: [metric], lambda found: found[0]),  # AWS takes a list, of one
        },
        name="name",
        name_limit=100,
        requests=("create_budget.Budget",),
        shapes={"notifications": "create_notification.Notification"},
        validators=(
            each_has("notifications", *NOTIFICATION),
            matches("name", r"[^:\\]{1,100}", "must have 1 to 100 characters other than : and \\"),
            one_of("timeUnit", "DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY"),
            needs("filterExpression", "metrics"),
            needs("metrics", "filterExpression"),
        ),
        create=_create,
        read=_read,
        delete=lambda ctx: ctx.call("delete_budget", **_target(ctx)),
        setters=(
            Setter(keys("notifications"), _notify),
            Setter(
                LIMITS,
                lambda ctx: ctx.call(
                    "update_budget", AccountId=ctx.account, NewBudget=_budget(ctx, _target(ctx)["BudgetName"])
                ),
                create=False,
            ),
        ),
        tagging=Tagging(
            target="ResourceARN",
            add="tag_resource",
            remove="untag_resource",
            read="list_tags_for_resource",
            response_path="ResourceTags",
            tags="ResourceTags",
            tag_keys="ResourceTagKeys",
            of=arn_of,
        ),
    ),
)
