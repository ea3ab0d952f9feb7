"""The one kind of error that a person at the terminal is shown as a sentence."""


class TxmonError(Exception):
    """What is wrong and which command mends it, in one sentence. Never a traceback."""
