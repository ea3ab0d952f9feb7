"""How much of the load the cache and the disk hold. Arithmetic only."""

from dataclasses import dataclass

from projects.data.sizes import GIB, NODE_TYPES

ENTRY_OVERHEAD = 150
"""Bytes that Redis keeps beside a value: key, dictionary entry, expiry (an estimate: measure with MEMORY USAGE)."""

RESERVED = 0.25
"""Share of a node that ElastiCache keeps for failover and snapshots (`reserved-memory-percent`'s default)."""

LASTING_DAYS = 365
"""What the disk of a protected environment has to last: time to see it coming and to archive or grow."""


@dataclass(frozen=True)
class Load:
    """Transactions as they arrive."""

    per_minute: int
    bytes_each: int
    """A transaction as a value in Redis, and as a row with its indexes in PostgreSQL."""

    def hours_in(self, node_type: str) -> float:
        """Hours of transactions that a cache node of this type holds."""
        usable = NODE_TYPES[node_type].memory * (1 - RESERVED)
        return usable / (self.per_minute * 60 * (self.bytes_each + ENTRY_OVERHEAD))

    def days_on(self, storage_gib: int) -> float:
        """Days until the rows fill the disk."""
        return storage_gib * GIB / (self.per_minute * 1440 * self.bytes_each)

    def shortages(self, node_type: str, history_hours: int, storage_gib: int) -> list[str]:
        """What does not hold the load, a sentence each."""
        found = []
        hours, days = self.hours_in(node_type), self.days_on(storage_gib)
        if hours < history_hours:
            found.append(
                f"redisNodeType: {node_type} holds {hours:.1f} of {history_hours} hours at"
                f" {self.per_minute} transactions a minute of {self.bytes_each} bytes;"
                f" {self._smallest(history_hours)} would hold them"
            )
        if days < LASTING_DAYS:
            found.append(
                f"postgresMaxStorageGib: {storage_gib} GiB are full after {days:.0f} days at"
                f" {self.per_minute} transactions a minute of {self.bytes_each} bytes; a year needs"
                f" {storage_gib * LASTING_DAYS / days:.0f} GiB"
            )
        return found

    def _smallest(self, history_hours: int) -> str:
        enough = [node_type for node_type in NODE_TYPES if self.hours_in(node_type) >= history_hours]
        return min(enough, key=lambda node_type: NODE_TYPES[node_type].memory, default="no known type")
