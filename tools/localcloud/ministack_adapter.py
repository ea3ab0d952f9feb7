"""Holds everything that we assume about MiniStack's settings and insides, so that an upgrade has one module to mend.

Each assumption has a test of its own in `tests/tools/localcloud/test_ministack_adapter.py`.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

HOST: Final = "127.0.0.1"
REGION: Final = "ap-northeast-1"
ACCOUNT: Final = "000000000000"
HEALTH: Final = ("GET", "/_ministack/health")
"""Answers 200 as soon as MiniStack is ready."""
RESET: Final = ("POST", "/_ministack/reset")
"""Deletes everything that MiniStack has, its saved state included."""


def settings(port: int, state: Path, scratch: Path, *, enforce_iam: bool) -> dict[str, str]:
    """Return MiniStack's settings, which it reads from its environment.

    It then listens on the loopback interface only, and saves its state in the folder `state` when SIGTERM ends it.
    With `enforce_iam`, it checks the policies of all but the account's root, whose keys are `test`.
    """
    return {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "REDIS_HOST": HOST,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state),
        "TMPDIR": str(scratch),
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "AUTH": "true" if enforce_iam else "false",
    }


def run() -> None:
    """Run MiniStack in this process until a signal ends it."""
    from ministack import app  # noqa: PLC0415 - it reads its settings when it is imported

    _list_zones_as_aws()
    sys.argv = ["ministack"]
    app.main()


def _list_zones_as_aws() -> None:
    """Make MiniStack list the zones a, c and d in place of a, b and c, as AWS does for new accounts in the region."""
    from ministack.services import ec2  # noqa: PLC0415 - as above

    def listed(parameters: Any) -> tuple[Any, ...]:
        status, headers, body = described(parameters)
        return status, headers, re.sub(rb"(<zoneName>%s|<zoneId>apne1-az)([bc23])" % REGION.encode(), _next, body)

    described = ec2._ACTION_MAP["DescribeAvailabilityZones"]  # noqa: SLF001 - there is no setting for it
    ec2._ACTION_MAP["DescribeAvailabilityZones"] = listed  # noqa: SLF001


def _next(match: re.Match[bytes]) -> bytes:
    return match[1] + bytes([match[2][0] + 1])
