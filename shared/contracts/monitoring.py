"""What the monitoring layer exports."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pulumi import Output

from shared.contracts.contract import Contract
from shared.contracts.output_spec import OutputSpec


@dataclass(frozen=True, kw_only=True)
class MonitoringContract(Contract):
    """Where to log, where alerts go, what watches."""

    layer: ClassVar[str] = "monitoring"

    log_group_name: Annotated[
        Output[str], OutputSpec("The applications' log group.", "/aws/transaction-monitoring/dev")
    ]
    flow_log_group_name: Annotated[
        Output[str], OutputSpec("The VPC's flow logs.", "/aws/transaction-monitoring/dev/flow-logs")
    ]
    alerts_topic_arn: Annotated[
        Output[str],
        OutputSpec("Where alarms go.", "arn:aws:sns:ap-northeast-1:123456789012:transaction-alerts-dev"),
    ]
    dashboard_name: Annotated[Output[str], OutputSpec("The CloudWatch dashboard.", "transaction-monitoring-dev")]
    alarm_names: Annotated[
        Output[list[str]], OutputSpec("Every alarm.", ["transaction-monitoring-dev/stream-iterator-age"])
    ]
