"""Holds everything that we assume about MiniStack's settings and insides, so that an upgrade has one module to mend.

Each assumption has a test of its own in `tests/tools/localcloud/test_ministack_adapter.py`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

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

    from tools.localcloud import completions  # noqa: PLC0415 - only the emulator's process needs them

    completions.install(app)
    sys.argv = ["ministack"]
    app.main()
