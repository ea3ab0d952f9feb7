"""vCPUs and memory of the instance classes and node types. The settings accept these types only.

The price book of `./inv cost` has a price for each; a test compares them.
"""

from dataclasses import dataclass

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True)
class Size:
    """Size of one type."""

    vcpus: int
    memory: int
    """Bytes: the RAM of a database's host, or `maxmemory` of a cache node."""


DATABASE_CLASSES = {
    # vCPUs and RAM: Amazon RDS User Guide, "Hardware specifications for DB instance classes".
    "db.t3.micro": Size(2, 1 * GIB),
    "db.t3.small": Size(2, 2 * GIB),
    "db.t3.medium": Size(2, 4 * GIB),
    "db.t4g.micro": Size(2, 1 * GIB),
    "db.t4g.small": Size(2, 2 * GIB),
    "db.t4g.medium": Size(2, 4 * GIB),
    "db.m7g.large": Size(2, 8 * GIB),
    "db.m7g.xlarge": Size(4, 16 * GIB),
    "db.m7g.2xlarge": Size(8, 32 * GIB),
}

NODE_TYPES = {
    # `maxmemory`: Amazon ElastiCache User Guide, "Redis OSS node-type specific parameters".
    "cache.t3.micro": Size(2, 536_870_912),
    "cache.t3.small": Size(2, 1_471_026_299),
    "cache.t3.medium": Size(2, 3_317_862_236),
    "cache.t4g.micro": Size(2, 536_870_912),
    "cache.t4g.small": Size(2, 1_471_026_299),
    "cache.t4g.medium": Size(2, 3_317_862_236),
    "cache.m7g.large": Size(2, 6_854_542_746),
    "cache.m7g.xlarge": Size(4, 13_891_921_715),
    "cache.m7g.2xlarge": Size(8, 27_966_669_210),
    "cache.r7g.large": Size(2, 14_037_181_030),
    "cache.r7g.xlarge": Size(4, 28_261_849_702),
}


def memory_mib(instance_class: str) -> int:
    """Return the RAM of a database class in MiB."""
    return DATABASE_CLASSES[instance_class].memory // MIB


def max_connections(instance_class: str) -> int:
    """Return a low estimate of the connections that PostgreSQL of a database class accepts.

    RDS sets LEAST(DBInstanceClassMemory / 9531392, 5000) (RDS User Guide, "Maximum number of database
    connections"). DBInstanceClassMemory is the RAM without that of RDS and the system, estimated as 90 % less 192
    MiB. The estimate equals the 80 connections observed with 1 GiB.
    """
    memory = DATABASE_CLASSES[instance_class].memory
    return int(min((memory * 0.9 - 192 * MIB) / 9_531_392, 5000))
