"""How a verb ends: its exit code, and one sentence for every error, also for one that no code foresaw."""

import logging
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from tools.orchestrator.cli.verb import Verb
from tools.orchestrator.model.errors import OrchestratorError, VerbEnd

HELD_UP = "see what holds it up (a network or a disk that does not answer), then run this again"


@pytest.fixture(autouse=True)
def _keep_process() -> Iterator[None]:
    """Restore what a verb sets for its whole process: its log and its handler of Ctrl-C."""
    logger = logging.getLogger("tools")
    handlers, propagate, level = logger.handlers, logger.propagate, logger.level
    handler = signal.getsignal(signal.SIGINT)
    yield
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)
    signal.signal(signal.SIGINT, handler)


@pytest.fixture
def ended(tmp_path: Path) -> Callable[[BaseException], Exit]:
    """Return a function to the end of a verb that raises an error."""

    def run(error: BaseException) -> Exit:
        def deploy(_: Context) -> int:
            """Raise the error."""
            raise error

        with pytest.raises(Exit) as found:
            Verb("shop", {}, tmp_path / ".shop", (LookupError,))()(deploy)(Context())
        return found.value

    return run


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OrchestratorError("no room"), 1, "shop: no room"),
        (LookupError("of the product"), 1, "shop: of the product"),
        (PermissionError(13, "Permission denied", "report.md"), 1, "shop: report.md: Permission denied"),
        (KeyboardInterrupt(), 130, "shop: interrupted"),
        (VerbEnd(2), 2, None),
        (
            subprocess.TimeoutExpired([Path("/bin/git"), "diff", "a b"], 120),
            1,
            f"shop: /bin/git diff 'a b' did not end within 2 min: {HELD_UP}",
        ),
    ],
)
def test_a_foreseen_end_has_its_code_and_its_sentence(
    ended: Callable[[BaseException], Exit], error: BaseException, code: int, message: str | None
) -> None:
    end = ended(error)
    assert (end.code, end.message) == (code, message)


@pytest.mark.parametrize("error", [ValueError("first line\nsecond line"), MemoryError(), RecursionError("x" * 500)])
def test_an_unforeseen_error_is_a_sentence_with_the_path_of_its_traceback(
    ended: Callable[[BaseException], Exit], tmp_path: Path, error: Exception
) -> None:
    end, log = ended(error), tmp_path / ".shop/traceback.log"
    assert end.code == 1
    assert end.message.startswith(f"shop: {type(error).__name__}")
    assert f"report it with its traceback in {log}" in end.message
    assert len(end.message.splitlines()) == 1
    assert "raise error" in log.read_text()


def test_an_unforeseen_error_is_told_even_if_its_traceback_cannot_be_kept(
    ended: Callable[[BaseException], Exit], tmp_path: Path
) -> None:
    (tmp_path / ".shop").write_text("a file where the folder belongs")
    assert "its traceback cannot be written" in ended(ValueError("odd")).message
