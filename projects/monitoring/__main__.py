"""Monitoring: where everything logs, what is watched, and who is told."""

from pulumi import Output, ResourceOptions

from projects.monitoring import dashboard, events, queries, topic, watched
from projects.monitoring.alarms import page, watch
from projects.monitoring.budget import limit_cost
from projects.monitoring.config import MonitoringConfig
from projects.monitoring.log_groups import ApplicationLogs, FlowLogs, mask_personal_data
from shared.contracts import DataContract, MonitoringContract, NetworkContract, SecurityContract, StreamingContract
from shared.stack import StackContext

config = MonitoringConfig.load()
stack = StackContext.current(config)
network, security = NetworkContract.read(stack), SecurityContract.read(stack)
streaming, data = StreamingContract.read(stack), DataContract.read(stack)

logs = ApplicationLogs(stack, config, security)
flows = FlowLogs(stack, config, network, security)
if config.mask_personal_data:
    mask_personal_data(stack, logs.group.name, data)
alerts = topic.alerts_topic(stack, security)

rules = events.rules(stack, config, security, data)
watching = events.watch_calls(stack, rules)
admitted = topic.admit_publishers(stack, alerts, [rule.arn for rule in watching.values()])
# RDS may try the topic when it is subscribed.
once_admitted = ResourceOptions.merge(stack.opts, ResourceOptions(depends_on=admitted))
events.tell_of_calls(stack, alerts, rules, watching, once_admitted)
events.tell_of_database(stack, alerts, data, once_admitted)

watched.count_lines(stack, logs.group.name)
table = [
    *watched.stream_alarms(config, streaming),
    *watched.function_alarms(config),
    *watched.dead_letter_alarms(streaming),
    *watched.database_alarms(config, data),
    *watched.cache_alarms(data),
    *watched.network_alarms(network),
    *watched.own_alarms(stack, config, alerts.name),
]
alarms = watch(stack, alerts, table)
paging = page(stack, alerts, table, alarms)
topic.subscribe(stack, alerts, config.subscriptions, paging.alarm_name)

shown = dashboard.show(stack, network, streaming, data, [paging.arn, *(alarm.arn for alarm in alarms.values())])
queries.keep(stack, queries.queries(logs.group.name, flows.group.name, data))
if config.monthly_budget_usd:
    limit_cost(stack, config.monthly_budget_usd, config.subscriptions)

MonitoringContract(
    log_group_name=logs.group.name,
    flow_log_group_name=flows.group.name,
    alerts_topic_arn=alerts.arn,
    dashboard_name=shown.dashboard_name,
    alarm_names=Output.all(paging.alarm_name, *(alarm.name for alarm in alarms.values())),
).export(stack)
