"""Budgets. They belong to the account, not to a region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.lifecycle import from_aws, to_aws
from tools.localcloud.schema.spec import Setter, Spec
from tools.localcloud.schema.validators import exclusive, needs, one_of

if TYPE_CHECKING:
    from tools.localcloud.provider.property_values import Props
    from tools.localcloud.schema.lifecycle import Operation

LIMITS = "budgetType! timeUnit! limitAmount limitUnit costFilters filterExpression metrics"
SEVERAL = {"ands": "And", "ors": "Or"}
BRANCHES = {*SEVERAL.values(), "Not"}


def _target(op: Operation) -> dict[str, str]:
    account, _, name = op.id.partition(":")
    return {"AccountId": account, "BudgetName": name}


def _expression(given: Props) -> dict[str, Any]:
    """Pulumi's `ands` is AWS's `And`, and so down."""
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


def _budget(op: Operation, name: str) -> dict[str, Any]:
    filters = {each["name"]: each["values"] for each in op.want("costFilters") or ()}
    return {
        "BudgetName": name,
        "BudgetType": op.want("budgetType"),
        "TimeUnit": op.want("timeUnit"),
        "BudgetLimit": {"Amount": str(op.want("limitAmount")), "Unit": op.want("limitUnit")},
        **({"CostFilters": filters} if filters else {}),
        **op.encoded(frozenset({"filterExpression", "metrics"}) & op.given.keys()),
    }


def _notification(given: Props) -> tuple[dict[str, Any], list[dict[str, str]]]:
    keys = ("notificationType", "comparisonOperator", "threshold", "thresholdType")
    kinds = (("EMAIL", "subscriberEmailAddresses"), ("SNS", "subscriberSnsTopicArns"))
    subscribers = [
        {"SubscriptionType": kind, "Address": address} for kind, key in kinds for address in given.get(key) or ()
    ]
    return to_aws({key: given[key] for key in keys}), subscribers


def _create(op: Operation) -> str:
    name = op.physical_name()
    op.call("create_budget", AccountId=op.account, Budget=_budget(op, name))
    return f"{op.account}:{name}"


def _notify(op: Operation) -> None:
    target = _target(op)
    for old in op.call("describe_notifications_for_budget", **target)["Notifications"]:
        op.call("delete_notification", **target, Notification=_only(old))
    for given in op.want("notifications") or ():
        notification, subscribers = _notification(given)
        op.call("create_notification", **target, Notification=notification, Subscribers=subscribers)


def _only(notification: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in notification.items() if key != "NotificationState"}


def _read(op: Operation) -> dict[str, Any]:
    target = _target(op)
    budget: dict[str, Any] = op.call("describe_budget", **target, ShowFilterExpression=True)["Budget"]
    filters = [{"name": name, "values": values} for name, values in (budget.get("CostFilters") or {}).items()]
    notifications = []
    for each in op.call("describe_notifications_for_budget", **target)["Notifications"]:
        told = op.call("describe_subscribers_for_notification", **target, Notification=_only(each))["Subscribers"]
        by_kind = {kind: [s["Address"] for s in told if s["SubscriptionType"] == kind] for kind in ("EMAIL", "SNS")}
        notifications.append(
            _only(each) | {"SubscriberEmailAddresses": by_kind["EMAIL"], "SubscriberSnsTopicArns": by_kind["SNS"]}
        )
    arn = op.arn("budgets", f"budget/{budget['BudgetName']}", region="")
    return budget | {"CostFilters": filters, "Notifications": notifications, "AccountId": op.account, "Arn": arn}


SPECS = (
    Spec(
        kind="aws:budgets/budget:Budget",
        client="budgets",
        regional=False,
        fixed="name namePrefix accountId",
        mutable=f"{LIMITS} notifications tags",
        outputs="arn",
        computed="accountId",
        unordered="notifications costFilters",
        names={"name": "BudgetName", "limitAmount": "BudgetLimit.Amount", "limitUnit": "BudgetLimit.Unit"},
        canonical={"limitAmount": float},
        codecs={
            "filterExpression": (_expression, _given),
            "metrics": (lambda metric: [metric], lambda found: found[0]),  # AWS takes a list, of one
        },
        lost={"tags tagsAll": "the emulator does not tag budgets"},
        name="name",
        limit=100,
        checks=(
            one_of("timeUnit", "DAILY", "MONTHLY", "QUARTERLY", "ANNUALLY"),
            exclusive("costFilters", "filterExpression"),
            needs("filterExpression", "metrics"),
            needs("metrics", "filterExpression"),
        ),
        create=_create,
        read=_read,
        delete=lambda op: op.call("delete_budget", **_target(op)),
        setters=(
            Setter("notifications", _notify),
            Setter(
                LIMITS,
                lambda op: op.call(
                    "update_budget", AccountId=op.account, NewBudget=_budget(op, _target(op)["BudgetName"])
                ),
                create=False,
            ),
        ),
    ),
)
