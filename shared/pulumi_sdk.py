"""The parts of Pulumi's SDK that shared/ needs and that are not public API. No other module of shared/ uses any.

Each function states the assumption about the SDK that it relies on; `tests/shared/test_pulumi_sdk.py` checks each.
"""

from typing import Any

from pulumi import Output
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret
from pulumi.runtime.rpc import UNKNOWN

__all__ = ["UNKNOWN", "given_config", "is_secret", "is_unknown", "unknown_output"]


def given_config() -> dict[str, Any]:
    """Return the running stack's configuration by full key, as in `txmon-network:vpcCidr`.

    Assumes that the SDK keeps it in the context variable `CONFIG`, and otherwise reads it from `PULUMI_CONFIG`. The
    public `pulumi.Config` reads one key at a time and cannot list them.
    """
    return {**get_config_env(), **CONFIG.get()}


def is_secret(key: str) -> bool:
    """Return whether the stack file encrypts a setting, by its full key.

    Assumes that the SDK is given the secret keys beside the decrypted values.
    """
    return bool(is_config_secret(key))


def is_unknown(value: Any) -> bool:
    """Return whether a preview does not know a value yet.

    Assumes that the engine writes such a value as the text `UNKNOWN`.
    """
    return bool(value == UNKNOWN)


def unknown_output() -> Output[Any]:
    """Return an output that the engine shows as unknown, like those of a resource that does not exist yet.

    Assumes the arguments of `Output`: resources, value, whether the value is known, whether it is secret.
    """

    async def resolved(value: Any) -> Any:
        return value

    return Output(set(), resolved(None), resolved(False), resolved(False))
