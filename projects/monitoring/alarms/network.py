"""Alarms on the VPC endpoints (metrics: the CloudWatch page of the PrivateLink Guide)."""

from pulumi import Output

from projects.monitoring.alarms.model import Alarm, Expression, above
from shared.contracts import NetworkContract


def network_alarms(network: NetworkContract) -> list[Alarm]:
    """Describe the alarm on packets that the VPC's endpoints drop."""
    # A Metrics Insights query covers all endpoints, also those that network adds later.
    dropped = Output.format(
        """SELECT SUM(PacketsDropped) FROM "AWS/PrivateLinkEndpoints" WHERE "VPC Id" = '{0}'""", network.vpc_id
    )
    return [
        Alarm(
            "endpoint-packets-dropped",
            Expression(dropped, {}),
            above(0),
            "A VPC endpoint drops packets: calls to AWS time out. Look at its zones and at AWS Health.",
        )
    ]
