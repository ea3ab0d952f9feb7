"""Questions to the person at the terminal."""

import sys

from tools.orchestrator.cli.terminal import console
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.locks import MayBreak


def answer(question: str) -> str:
    """Return the answer; an empty one on Ctrl-D."""
    try:
        return console(stderr=True).input(question, markup=False).strip()
    except EOFError:
        return ""


def require_confirmation_possible(workspace: Workspace, *, yes: bool) -> None:
    """Check that a person can confirm a change of a real environment, or that `yes` is true.

    Raises:
        OrchestratorError: neither.
    """
    if not (workspace.environment.is_local or yes or sys.stdin.isatty()):
        raise OrchestratorError(
            f"{workspace.env} is a real environment and there is no terminal to confirm on: add --yes"
        )


def confirm(workspace: Workspace, what: str, *, yes: bool) -> None:
    """Ask before a real environment is changed, unless `yes` is true.

    Raises:
        OrchestratorError: the answer is no, or nobody is there to ask.
    """
    if workspace.environment.is_local or yes:
        return
    require_confirmation_possible(workspace, yes=yes)
    if answer(f"{what} {workspace.env}? type its name to go on: ") != workspace.env:
        raise OrchestratorError("not confirmed; nothing was done")


def may_break_lock(*, force: bool) -> MayBreak:
    """Return who decides about a lock: `force`, or the person at the terminal."""

    def may_break(situation: str) -> bool:
        return force or (sys.stdin.isatty() and answer(f"{situation}; remove the lock anyway? type yes: ") == "yes")

    return may_break
