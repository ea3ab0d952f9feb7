"""Monitoring: logs, alarms, notifications, dashboard and budget."""

from pulumi import Output, ResourceOptions

from projects.monitoring import events
from projects.monitoring.alarms.application import count_errors
from projects.monitoring.alarms.catalog import all_alarms
from projects.monitoring.alarms.create import create_alarms, create_domain_alarms
from projects.monitoring.budget import create_budget
from projects.monitoring.config import MonitoringConfig
from projects.monitoring.dashboard import create_dashboard
from projects.monitoring.log_groups import ApplicationLogs, FlowLogs, mask_personal_data
from projects.monitoring.queries import save_queries, saved_queries
from projects.monitoring.topic import allow_publishers, create_topic, subscribe
from shared.contracts import (
    DataContract,
    MonitoringContract,
    NetworkContract,
    ProcessingContract,
    SecurityContract,
    StreamingContract,
)
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

topic = create_topic(stack, security)
rules = events.api_call_rules(stack, config, security, streaming, data)
created_rules = events.create_rules(stack, rules)
topic_policy = allow_publishers(stack, topic, [rule.arn for rule in created_rules.values()])
# RDS may send a test message as soon as it is subscribed.
once_allowed = ResourceOptions.merge(stack.opts, ResourceOptions(depends_on=topic_policy))
events.notify_on_api_calls(stack, topic, rules, created_rules, once_allowed)
events.notify_on_database_events(stack, topic, data, once_allowed)

alarms = all_alarms(stack, config, network, streaming, data, processing=processing, topic_name=topic.name)
created_alarms = create_alarms(stack, topic, alarms)
domains = create_domain_alarms(stack, topic, alarms, created_alarms)
domain_names = [domain.alarm_name for domain in domains]
paging = [*domain_names, *(created_alarms[alarm.name].name for alarm in alarms if alarm.audience == "pager")]
subscribe(stack, topic, config.subscriptions, paging)

alarm_arns = [*(domain.arn for domain in domains), *(alarm.arn for alarm in created_alarms.values())]
dashboard = create_dashboard(stack, network, streaming, data, processing=processing, alarm_arns=alarm_arns)
create_budget(stack, config.monthly_budget_usd, config.subscriptions)

MonitoringContract(
    log_group_name=logs.group.name,
    flow_log_group_name=flows.group.name,
    alerts_topic_arn=topic.arn,
    dashboard_name=dashboard.dashboard_name,
    alarm_names=Output.all(*domain_names, *(alarm.name for alarm in created_alarms.values())),
).export(stack)
