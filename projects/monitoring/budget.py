"""What the system may cost a month."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
from pulumi import Output

from projects.monitoring.config import Subscription
from shared.graph import PRODUCT
from shared.stack import StackContext


def limit_cost(stack: StackContext, monthly_usd: int, subscriptions: Sequence[Subscription]) -> aws.budgets.Budget:
    """Mail to the e-mail subscriptions when the month is forecast to cost more, and when it has cost four fifths.

    Costs are found by the tags Project and Environment, once they are activated as cost allocation tags (AWS Billing
    User Guide): the account may hold other environments, and other systems. Not through the topic: its key would
    have to admit AWS Budgets too.
    """
    addresses = [each.endpoint for each in subscriptions if each.protocol.startswith("email")]
    if not addresses:
        pulumi.log.warn(f"nobody is told when a month costs over {monthly_usd} USD: no subscription is an e-mail")
    return aws.budgets.Budget(
        stack.names.logical("budget"),
        budget_type="COST",
        limit_amount=str(monthly_usd),
        limit_unit="USD",
        time_unit="MONTHLY",
        # Not cost filters: of several tags, those take what bears any.
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
