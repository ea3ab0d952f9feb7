"""The local cloud: an AWS emulator and a Pulumi provider for it, in one background process per clone."""

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.gaps import gaps
from tools.localcloud.home import Cloud
from tools.localcloud.lifecycle import (
    PROVIDERS,
    Started,
    choose_provider,
    chosen_provider,
    created,
    environment,
    start,
    status,
    stop,
)

__all__ = [
    "PROVIDERS",
    "Cloud",
    "LocalCloudError",
    "Started",
    "choose_provider",
    "chosen_provider",
    "created",
    "environment",
    "gaps",
    "start",
    "status",
    "stop",
]
