"""The only module of layers that uses what Pulumi's Python SDK does not document."""

from typing import Any

from pulumi import Output
from pulumi.runtime.rpc import UNKNOWN

__all__ = ["UNKNOWN", "unknown_output"]


def unknown_output() -> Output[Any]:
    """Return an output that the engine shows as unknown, as it shows those of a resource that does not exist yet."""

    async def resolved(value: Any) -> Any:
        return value

    return Output(set(), resolved(None), resolved(False), resolved(False))
