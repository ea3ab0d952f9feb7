"""The one kind of error that a person at the terminal is shown as a sentence."""


class TxmonError(Exception):
    """What is wrong and which command mends it, in one sentence. Never a traceback."""


class Ended(Exception):  # noqa: N818 (no fault of its own: what went wrong was already told)
    """A verb ends early with this exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
