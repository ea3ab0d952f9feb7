"""What the monitoring layer exports."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pulumi import Output

from shared.contracts.contract import Contract
from shared.contracts.output_spec import OutputSpec


@dataclass(frozen=True, kw_only=True)
class MonitoringContract(Contract):
    """Log groups, alerts topic, dashboard and alarms."""

    layer: ClassVar[str] = "monitoring"

    log_group_name: Annotated[
        Output[str], OutputSpec("The applications' log group.", "/aws/transaction-monitoring/dev")
    ]
    flow_log_group_name: Annotated[
        Output[str], OutputSpec("The log group of the VPC's flow logs.", "/aws/transaction-monitoring/dev/flow-logs")
    ]
    alerts_topic_arn: Annotated[
        Output[str],
        OutputSpec("The topic that alarms notify.", "arn:aws:sns:ap-northeast-1:123456789012:transaction-alerts-dev"),
    ]
    dashboard_name: Annotated[Output[str], OutputSpec("The CloudWatch dashboard.", "transaction-monitoring-dev")]
    alarm_names: Annotated[
        Output[list[str]], OutputSpec("Names of all alarms.", ["transaction-monitoring-dev/stream-iterator-age"])
    ]
