"""The errors that end a verb."""


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
