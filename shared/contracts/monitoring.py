"""What the monitoring layer promises."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pulumi import Output

from shared.contracts.contract import Contract, Means


@dataclass(frozen=True, kw_only=True)
class MonitoringContract(Contract):
    """Where to log, where alerts go, what watches."""

    layer: ClassVar[str] = "monitoring"

    log_group_name: Annotated[Output[str], Means("The applications' log group.", "/aws/transaction-monitoring/dev")]
    flow_log_group_name: Annotated[
        Output[str], Means("The VPC's flow logs.", "/aws/transaction-monitoring/dev/flow-logs")
    ]
    alerts_topic_arn: Annotated[
        Output[str],
        Means("Where alarms go.", "arn:aws:sns:ap-northeast-1:123456789012:transaction-alerts-dev"),
    ]
    dashboard_name: Annotated[Output[str], Means("The CloudWatch dashboard.", "transaction-monitoring-dev")]
    alarm_names: Annotated[
        Output[list[str]], Means("Every alarm.", ["transaction-monitoring-dev/stream-iterator-age"])
    ]
