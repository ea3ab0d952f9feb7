"""Whether the process that a lock or a run record names still runs."""

import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

CLOCK_SKEW = timedelta(minutes=1)
"""How far the clock may have been set since a process began or a lock was taken."""


def start_of(pid: int) -> str:
    """Return the boot and the tick at which a process began, which no change of the clock moves.

    Linux says so (proc_pid_stat(5), field 22); the result is empty elsewhere, and if there is no such process.
    """
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
        _, _, fields = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")
        return f"{boot}:{fields.split()[19]}"
    return ""


def is_gone(host: str, pid: int, since: datetime, start: str = "") -> bool:
    """Return whether the process that ran on `host` at `since`, with that start if it is known, has provably ended.

    Only processes of this host can be asked about. If another process got the number since then, it began later.
    """
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(pid)
        if start and (found := start_of(pid)):
            return found != start
        # The engine's locks hold no start. Whatever the clock says, an engine with that number may be the owner.
        began_later = datetime.fromtimestamp(process.create_time(), UTC) > since + CLOCK_SKEW
        return began_later and process.name() != "pulumi"
    except psutil.NoSuchProcess:
        return True
