"""Every alarm but those on notifications."""

from projects.monitoring.alarms.application import application_alarms
from projects.monitoring.alarms.cache import cache_alarms
from projects.monitoring.alarms.database import database_alarms
from projects.monitoring.alarms.dead_letters import dead_letter_alarms
from projects.monitoring.alarms.model import Alarm
from projects.monitoring.alarms.network import network_alarms
from projects.monitoring.alarms.processing import processing_alarms
from projects.monitoring.alarms.stream import stream_alarms
from projects.monitoring.config import MonitoringConfig
from shared.contracts import DataContract, NetworkContract, ProcessingContract, StreamingContract
from shared.stack import StackContext


def system_alarms(
    stack: StackContext,
    config: MonitoringConfig,
    network: NetworkContract,
    streaming: StreamingContract,
    data: DataContract,
    *,
    processing: ProcessingContract,
) -> list[Alarm]:
    """Describe the alarms on what all layers deploy, in the order of the output `alarm_names`."""
    return [
        *stream_alarms(config, streaming, processing),
        *processing_alarms(stack, config, processing),
        *dead_letter_alarms(streaming),
        *database_alarms(config, data),
        *cache_alarms(data),
        *network_alarms(network),
        *application_alarms(stack),
    ]
