"""Monitoring: logs, alarms, notifications, dashboard and budget."""

from pulumi import Output

from projects.monitoring import events
from projects.monitoring.alarms.application import count_errors
from projects.monitoring.alarms.catalog import system_alarms
from projects.monitoring.alarms.create import create_alarms
from projects.monitoring.alarms.notifications import notification_alarms
from projects.monitoring.budget import create_budget
from projects.monitoring.config import MonitoringConfig
from projects.monitoring.dashboard import create_dashboard
from projects.monitoring.log_groups import ApplicationLogs, FlowLogs, mask_personal_data
from projects.monitoring.queries import save_queries, saved_queries
from projects.monitoring.topic import create_topics, subscribe
from shared.contracts import (
    DataContract,
    MonitoringContract,
    NetworkContract,
    ProcessingContract,
    SecurityContract,
    StreamingContract,
)
from shared.names import HEARTBEAT
from shared.stack import StackContext

config = MonitoringConfig.load()
stack = StackContext.current(config)
network, security = NetworkContract.read(stack), SecurityContract.read(stack)
streaming, data, processing = StreamingContract.read(stack), DataContract.read(stack), ProcessingContract.read(stack)

logs = ApplicationLogs(stack, config, security)
flows = FlowLogs(stack, config, network, security)
mask_personal_data(stack, config, logs.group.name, data, processing)
count_errors(stack, {"application": logs.group.name, "processing": processing.processing_log_group_name})
save_queries(stack, saved_queries(logs.group.name, flows.group.name, data, processing))

topics = create_topics(stack, security)
rules = events.api_call_rules(stack, config, security, streaming, data)
events.notify(stack, topics, rules, data)

notifications = notification_alarms(data, topics.alerts.name, [rule.logical_name(stack) for rule in rules])
described = [*system_alarms(stack, config, network, streaming, data, processing=processing), *notifications]
alarms = create_alarms(stack, topics, described)
subscribe(stack, topics, config.subscriptions, paging=alarms.paging, heartbeat=alarms.by_name[HEARTBEAT].name)

dashboard = create_dashboard(stack, network, streaming, data, processing=processing, alarm_arns=alarms.arns)
create_budget(stack, config.monthly_budget_usd, config.subscriptions)

MonitoringContract(
    log_group_name=logs.group.name,
    flow_log_group_name=flows.group.name,
    alerts_topic_arn=topics.alerts.arn,
    dashboard_name=dashboard.dashboard_name,
    alarm_names=Output.all(*alarms.names),
).export(stack)
