"""What the instance classes hold. Pure facts; a class that is not here is refused with the list of those that are."""

from dataclasses import dataclass

MIB = 1024**2
GIB = 1024**3


@dataclass(frozen=True)
class Size:
    vcpus: int
    memory: int
    """Bytes: of the host for a database, `maxmemory` for a cache node."""


DATABASE_CLASSES = {
    # vCPUs and RAM: Amazon RDS User Guide, "Hardware specifications for DB instance classes".
    "db.t3.micro": Size(2, 1 * GIB),
    "db.t3.small": Size(2, 2 * GIB),
    "db.t3.medium": Size(2, 4 * GIB),
    "db.t4g.micro": Size(2, 1 * GIB),
    "db.t4g.small": Size(2, 2 * GIB),
    "db.t4g.medium": Size(2, 4 * GIB),
    "db.m6g.large": Size(2, 8 * GIB),
    "db.m7g.large": Size(2, 8 * GIB),
    "db.m7g.xlarge": Size(4, 16 * GIB),
    "db.m7g.2xlarge": Size(8, 32 * GIB),
    "db.r7g.large": Size(2, 16 * GIB),
    "db.r7g.xlarge": Size(4, 32 * GIB),
}

NODE_TYPES = {
    # `maxmemory`: Amazon ElastiCache User Guide, "Redis OSS node-type specific parameters".
    "cache.t3.micro": Size(2, 536_870_912),
    "cache.t3.small": Size(2, 1_471_026_299),
    "cache.t3.medium": Size(2, 3_317_862_236),
    "cache.t4g.micro": Size(2, 536_870_912),
    "cache.t4g.small": Size(2, 1_471_026_299),
    "cache.t4g.medium": Size(2, 3_317_862_236),
    "cache.m6g.large": Size(2, 6_854_542_746),
    "cache.m7g.large": Size(2, 6_854_542_746),
    "cache.m7g.xlarge": Size(4, 13_891_921_715),
    "cache.m7g.2xlarge": Size(8, 27_966_669_210),
    "cache.r7g.large": Size(2, 14_037_181_030),
    "cache.r7g.xlarge": Size(4, 28_261_849_702),
}


def memory_mib(instance_class: str) -> int:
    return DATABASE_CLASSES[instance_class].memory // MIB


def max_connections(instance_class: str) -> int:
    """The connections that PostgreSQL of this class takes, a little low rather than high.

    RDS sets LEAST(DBInstanceClassMemory / 9531392, 5000) (RDS User Guide, "Maximum number of database
    connections"). DBInstanceClassMemory is what RDS and the system leave of the RAM: estimated as 90 % less
    192 MiB, which gives the 80 seen on 1 GiB.
    """
    memory = DATABASE_CLASSES[instance_class].memory
    return int(min((memory * 0.9 - 192 * MIB) / 9_531_392, 5000))
