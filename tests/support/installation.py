"""What tests of installations share: programs that are shell scripts, and receivers of progress."""

from pathlib import Path

import pytest


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def no_progress(line: str) -> None:
    pytest.fail(f"nothing had to be installed, but: {line}")


def ignore(_: str) -> None:
    pass
