"""How much of the load the cache and the disk hold, without Pulumi."""

from dataclasses import dataclass

from projects.data.sizes import GIB, NODE_TYPES

ENTRY_OVERHEAD = 150
"""Bytes that Redis needs besides a value: key, dictionary entry, expiry (estimated; measure with MEMORY USAGE)."""

ROW_OVERHEAD = 476
"""Bytes that PostgreSQL needs besides a transaction: columns, row header and indexes.

Measured on PostgreSQL 17: a transaction of 1,024 bytes takes 1,500 (1,365 of the table, 133 of its indexes).
"""

RESERVED = 0.25
"""Share of a node's memory that ElastiCache reserves (the default of `reserved-memory-percent`)."""

MIN_DISK_DAYS = 365
"""Days that the disk of a protected environment must last, which leaves time to archive or to grow it."""


@dataclass(frozen=True)
class Load:
    """The rate and size of transactions."""

    per_minute: int
    bytes_each: int
    """Bytes of a transaction, without what Redis and PostgreSQL add."""

    def hours_in(self, node_type: str) -> float:
        """Return the hours of transactions that a cache node holds."""
        usable = NODE_TYPES[node_type].memory * (1 - RESERVED)
        return usable / (self.per_minute * 60 * (self.bytes_each + ENTRY_OVERHEAD))

    def days_on(self, storage_gib: int) -> float:
        """Return the days until the rows fill the disk."""
        return storage_gib * GIB / (self.per_minute * 1440 * (self.bytes_each + ROW_OVERHEAD))

    def shortages(self, node_type: str, history_hours: int, storage_gib: int) -> list[str]:
        """Return a sentence for each of cache and disk that is too small."""
        found = []
        hours, days = self.hours_in(node_type), self.days_on(storage_gib)
        if hours < history_hours:
            found.append(
                f"redisNodeType: {node_type} holds {hours:.1f} of {history_hours} hours at"
                f" {self.per_minute} transactions a minute of {self.bytes_each} bytes;"
                f" {self._smallest_node_type(history_hours)} would hold them"
            )
        if days < MIN_DISK_DAYS:
            found.append(
                f"postgresMaxStorageGib: {storage_gib} GiB are full after {days:.0f} days at"
                f" {self.per_minute} transactions a minute of {self.bytes_each} bytes; a year needs"
                f" {storage_gib * MIN_DISK_DAYS / days:.0f} GiB"
            )
        return found

    def _smallest_node_type(self, history_hours: int) -> str:
        enough = [node_type for node_type in NODE_TYPES if self.hours_in(node_type) >= history_hours]
        return min(enough, key=lambda node_type: NODE_TYPES[node_type].memory, default="no known type")
