"""The local cloud: an AWS emulator and a Pulumi provider for it, in one background process per clone."""

from shared.localcloud.cloud import Started, created, environment, start, status, stop
from shared.localcloud.errors import LocalCloudError
from shared.localcloud.files import Cloud
from shared.localcloud.gaps import gaps

__all__ = ["Cloud", "LocalCloudError", "Started", "created", "environment", "gaps", "start", "status", "stop"]
