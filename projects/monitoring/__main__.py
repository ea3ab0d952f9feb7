"""Monitoring: where everything logs, what is watched, and who is told."""

from pulumi import Output, ResourceOptions

from projects.monitoring import dashboard, events, queries, topic, watched
from projects.monitoring.alarms import page, watch
from projects.monitoring.budget import limit_cost
from projects.monitoring.config import MonitoringConfig
from projects.monitoring.log_groups import ApplicationLogs, FlowLogs, mask_personal_data
from shared.contracts import DataContract, MonitoringContract, NetworkContract, SecurityContract, StreamingContract
from shared.stack import Layer

config = MonitoringConfig.load()
layer = Layer.current(config)
network, security = NetworkContract.read(layer), SecurityContract.read(layer)
streaming, data = StreamingContract.read(layer), DataContract.read(layer)

logs = ApplicationLogs(layer, config, security)
flows = FlowLogs(layer, config, network, security)
if config.mask_personal_data:
    mask_personal_data(layer, logs.group.name, data)
alerts = topic.alerts_topic(layer, security)

rules = events.rules(layer, config, security, data)
watching = events.watch_calls(layer, rules)
admitted = topic.admit_publishers(layer, alerts, [rule.arn for rule in watching.values()])
# RDS may try the topic when it is subscribed.
once_admitted = ResourceOptions.merge(layer.opts, ResourceOptions(depends_on=admitted))
events.tell_of_calls(layer, alerts, rules, watching, once_admitted)
events.tell_of_database(layer, alerts, data, once_admitted)

watched.count_lines(layer, logs.group.name)
table = [
    *watched.stream_alarms(config, streaming),
    *watched.function_alarms(config),
    *watched.dead_letter_alarms(streaming),
    *watched.database_alarms(config, data),
    *watched.cache_alarms(data),
    *watched.network_alarms(network),
    *watched.own_alarms(layer, config, alerts.name),
]
alarms = watch(layer, alerts, table)
paging = page(layer, alerts, table, alarms)
topic.subscribe(layer, alerts, config.subscriptions, paging.alarm_name)

shown = dashboard.show(layer, network, streaming, data, [paging.arn, *(alarm.arn for alarm in alarms.values())])
queries.keep(layer, queries.queries(logs.group.name, flows.group.name, data))
if config.monthly_budget_usd:
    limit_cost(layer, config.monthly_budget_usd, config.subscriptions)

MonitoringContract(
    log_group_name=logs.group.name,
    flow_log_group_name=flows.group.name,
    alerts_topic_arn=alerts.arn,
    dashboard_name=shown.dashboard_name,
    alarm_names=Output.all(paging.alarm_name, *(alarm.name for alarm in alarms.values())),
).export(layer)
