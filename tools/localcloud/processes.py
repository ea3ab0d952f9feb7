"""Ends processes of the local cloud."""

from __future__ import annotations

import signal
import subprocess
from typing import Any


def end(process: subprocess.Popen[Any], seconds: float, number: int = signal.SIGTERM) -> None:
    """End a process by a signal, and kill it if that takes longer than some seconds."""
    process.send_signal(number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
