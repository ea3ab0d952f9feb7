"""The local cloud: an AWS emulator and a Pulumi provider for it, in one background process per home.

With it, deploys and end-to-end tests need neither an AWS account nor Docker.
"""

from tools.localcloud.errors import LocalCloudError
from tools.localcloud.gaps import gaps
from tools.localcloud.home import Cloud
from tools.localcloud.lifecycle import PROVIDERS, LocalCloud

__all__ = ["PROVIDERS", "Cloud", "LocalCloud", "LocalCloudError", "gaps"]
