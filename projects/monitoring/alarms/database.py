"""Alarms on PostgreSQL (metrics: the CloudWatch page of the RDS User Guide)."""

from functools import partial

from projects.monitoring.alarms.model import FIVE_MINUTES, FIVE_OF_FIVE, THREE_OF_THREE, Alarm, Metric, above, below
from projects.monitoring.config import MonitoringConfig
from shared.contracts import DataContract

MIB, GIB = 1024**2, 1024**3

_high = partial(above, datapoints=THREE_OF_THREE, seconds=FIVE_MINUTES, missing="missing")
_low = partial(below, datapoints=THREE_OF_THREE, seconds=FIVE_MINUTES)


def database_alarms(config: MonitoringConfig, data: DataContract) -> list[Alarm]:
    """Describe the alarms on the instance, its disk and its sessions."""
    return [*_instance_alarms(config, data), *_disk_alarms(data), *_session_alarms(data)]


def _metric(data: DataContract, name: str, statistic: str = "Average") -> Metric:
    return Metric("AWS/RDS", name, {"DBInstanceIdentifier": data.rds_identifier}, statistic)


def _instance_alarms(config: MonitoringConfig, data: DataContract) -> list[Alarm]:
    tenth_of_memory = data.rds_memory_mib.apply(lambda mib: mib * MIB / 10)
    part_of_disk = data.rds_storage_gib.apply(lambda gib: gib * GIB * config.free_storage_percent / 100)
    most_connections = data.rds_max_connections.apply(lambda most: most * 0.8)
    return [
        Alarm(
            "database-down",
            _metric(data, "CPUUtilization", "SampleCount"),
            below(1, FIVE_OF_FIVE, missing="breaching"),
            "PostgreSQL has sent no sign of life for five minutes. Look at its events: a failover mends itself in"
            " two; then at storage and maintenance.",
            audience="database",
        ),
        Alarm(
            "database-cpu",
            _metric(data, "CPUUtilization"),
            _high(80),
            "PostgreSQL's CPU is busy. Look at top SQL in Database Insights.",
        ),
        Alarm(
            "database-cpu-credits",
            _metric(data, "CPUCreditBalance", "Minimum"),
            # Of the 288 that the smallest class can save (EC2 User Guide, "CPU credits"); other classes send none.
            _low(30, missing="notBreaching"),
            "The burstable class is nearly out of CPU credits: slow soon, or billed for more. A new instance begins"
            " with none: wait three hours. Otherwise take a larger class.",
        ),
        Alarm(
            "database-memory",
            _metric(data, "FreeableMemory"),
            _low(tenth_of_memory, missing="missing"),
            "Less than a tenth of PostgreSQL's memory is free. Look for many connections or large sorts.",
        ),
        Alarm(
            "database-storage",
            _metric(data, "FreeStorageSpace", "Minimum"),
            _low(part_of_disk, missing="missing"),
            "PostgreSQL's disk is nearly full though RDS should have grown it, and a full disk stops all writes. The"
            " instance's events say why: raise postgresMaxStorageGib in data if it is reached; after a growth RDS"
            " waits six hours, so until then drop old partitions.",
            audience="database",
        ),
        Alarm(
            "database-connections",
            _metric(data, "DatabaseConnections", "Maximum"),
            _high(most_connections),
            "Four fifths of PostgreSQL's connections are in use. Look for a client that does not pool.",
        ),
    ]


def _disk_alarms(data: DataContract) -> list[Alarm]:
    return [
        Alarm(
            "database-read-latency",
            _metric(data, "ReadLatency"),
            _high(0.02),
            "Reads take over 20 ms. Look at IOPS and at top SQL in Database Insights.",
        ),
        Alarm(
            "database-write-latency",
            _metric(data, "WriteLatency"),
            _high(0.02),
            "Writes take over 20 ms. Look at IOPS and checkpoints.",
        ),
        Alarm(
            "database-disk-queue",
            _metric(data, "DiskQueueDepth"),
            _high(10),
            "Requests wait for the disk. Look at IOPS and at top SQL in Database Insights.",
        ),
        Alarm(
            "database-swap",
            _metric(data, "SwapUsage"),
            _high(256 * MIB),
            "PostgreSQL swaps. Look for many connections; then take a class with more memory.",
        ),
        Alarm(
            "database-io-balance",
            _metric(data, "EBSIOBalance%", "Minimum"),
            _low(20, missing="notBreaching"),
            "The burst of disk operations is nearly used up. Take a larger class if it stays.",
        ),
        Alarm(
            "database-byte-balance",
            _metric(data, "EBSByteBalance%", "Minimum"),
            _low(20, missing="notBreaching"),
            "The burst of disk throughput is nearly used up. Take a larger class if it stays.",
        ),
    ]


def _session_alarms(data: DataContract) -> list[Alarm]:
    return [
        Alarm(
            "database-transaction-ids",
            _metric(data, "MaximumUsedTransactionIDs", "Maximum"),
            _high(1_000_000_000),  # at about two thousand million PostgreSQL stops taking writes
            "Autovacuum lags behind transaction ids. Look for old transactions and unused replication slots.",
        ),
        Alarm(
            "database-load",
            _metric(data, "DBLoad"),
            _high(data.rds_vcpus.apply(float)),
            "More sessions work or wait than there are vCPUs. Look at waits in Database Insights.",
        ),
    ]
