"""The local cloud: an AWS emulator and a Pulumi provider for it, in one background process per clone."""

from shared.localcloud.cloud import (
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
from shared.localcloud.errors import LocalCloudError
from shared.localcloud.files import Cloud
from shared.localcloud.gaps import gaps

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
