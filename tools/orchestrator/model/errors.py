"""The errors that end a verb."""

import os
import shlex
import subprocess


class OrchestratorError(Exception):
    """Says in one sentence what is wrong and which command mends it; the terminal shows it without a traceback."""


class VerbEnd(Exception):  # noqa: N818 (nothing is wrong: whatever failed has been reported already)
    """Ends a verb early with an exit code."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def explain_os_error(error: OSError) -> str:
    """Return the file and what the operating system refuses, as in `report.md: Permission denied`."""
    return f"{error.filename or 'failed'}: {error.strerror or error}"


def explain_timeout(error: subprocess.TimeoutExpired) -> str:
    """Return the command that did not end in its time and how long it had."""
    command = error.cmd if isinstance(error.cmd, str) else shlex.join(map(os.fsdecode, error.cmd))
    limit = f"{error.timeout / 60:.0f} min" if error.timeout >= 120 else f"{error.timeout:g} s"  # noqa: PLR2004
    return (
        f"{command[:200]} did not end within {limit}: "
        "see what holds it up (a network or a disk that does not answer), then run this again"
    )
