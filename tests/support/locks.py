"""Locks of processes that are gone, and of other hosts."""

from tools.orchestrator.state.locks import Lock

NOBODY = 2**22 + 1
"""Above the highest process number that Linux gives."""


def lock_text(**changes: object) -> str:
    """Return the text of this process's lock, with changes."""
    return Lock.of_this_process("up").model_copy(update=changes).model_dump_json()
