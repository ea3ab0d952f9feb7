"""The monthly budget."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
from pulumi import Output

from projects.monitoring.config import Subscription
from shared.graph import PRODUCT
from shared.stack import StackContext


def create_budget(stack: StackContext, monthly_usd: int, subscriptions: Sequence[Subscription]) -> None:
    """Create a budget that mails the e-mail subscriptions, or none for 0.

    It mails when the month's forecast exceeds `monthly_usd`, and when 80 % of it is spent. It counts costs by the
    tags Project and Environment, which must be activated as cost allocation tags (AWS Billing User Guide), because
    the account may hold other systems and environments. It does not use the alerts topic: the topic's key would have
    to admit AWS Budgets.
    """
    if not monthly_usd:
        return
    addresses = [each.endpoint for each in subscriptions if each.protocol.startswith("email")]
    if not addresses:
        pulumi.log.warn(f"the budget of {monthly_usd} USD a month has no e-mail subscribers")
    aws.budgets.Budget(
        stack.names.logical("budget"),
        budget_type="COST",
        limit_amount=str(monthly_usd),
        limit_unit="USD",
        time_unit="MONTHLY",
        # Cost filters would count a resource with any of the tags; this expression asks for all of them.
        filter_expression={
            "ands": [
                {"tags": {"key": "Project", "values": [PRODUCT]}},
                {"tags": {"key": "Environment", "values": [stack.suffix]}},
            ]
        },
        metrics="UnblendedCost",
        notifications=[
            {
                "comparison_operator": "GREATER_THAN",
                "notification_type": kind,
                "threshold": percent,
                "threshold_type": "PERCENTAGE",
                "subscriber_email_addresses": Output.secret(addresses),
            }
            for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            if addresses
        ],
        tags=stack.name_tag("budget"),
        opts=stack.opts,
    )
