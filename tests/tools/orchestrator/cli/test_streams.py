"""What is printed where no terminal shows it."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shared.errors import TxmonError

from tasks import _passed_on, writable
from tools.orchestrator.cli.streams import Piped

ROOT = Path(__file__).parents[4]


def inv(shell: str) -> subprocess.CompletedProcess[str]:
    """A shell's line in which `$inv` is invoke."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell],
        cwd=ROOT,
        env={**os.environ, "inv": f"{sys.executable} -m invoke"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_lines_end_without_blanks() -> None:
    raw = io.BytesIO()
    stream = Piped(raw, encoding="utf-8")
    print("a table  \nwith a column   \n\n  and an indent", end="   ", file=stream)
    stream.flush()
    assert raw.getvalue() == b"a table\nwith a column\n\n  and an indent   "


def test_a_reader_who_is_gone_is_no_fault() -> None:
    read, write = os.pipe()
    os.close(read)
    with Piped(os.fdopen(write, "wb"), encoding="utf-8", line_buffering=True) as stream:
        for _ in range(3):
            stream.write("x" * 100_000 + "\n")
    assert stream.closed


@pytest.mark.parametrize("shell", ["$inv --list | true", "$inv diff-env dev prod | head -1", "$inv environments >&-"])
def test_a_verb_whose_output_nobody_takes_ends_well(shell: str) -> None:
    done = inv(shell)
    assert (done.returncode, done.stderr) == (0, "")


ON_A_TERMINAL = f"""{sys.executable} -c 'import pty, sys; sys.exit(pty.spawn(["sh", "-c", sys.argv[1]]))' '{{}}'"""


@pytest.mark.parametrize("shell", ["{} | cat", ON_A_TERMINAL], ids=["pipe", "terminal"])
def test_a_character_that_nobody_can_read_there_ends_no_verb(shell: str) -> None:
    done = inv("export PYTHONIOENCODING=ascii:strict inv; " + shell.format("$inv --help new-env"))
    assert done.returncode == 0, done.stdout
    assert "local-? lives on the local" in done.stdout


def test_a_verb_that_runs_others_shows_them_without_colours(capfd: pytest.CaptureFixture[str]) -> None:
    assert _passed_on(["sh", "-c", "exit 3"]) == 3
    assert capfd.readouterr().out == "sh -c 'exit 3'\n"


def test_a_file_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "folder/new"
    old.write_text("kept")
    assert (writable(old), writable(new)) == (old, new)
    assert old.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("file", ["/proc/x", "/proc/self/x/y", "/dev/null/x", "."])
def test_a_file_that_cannot_be_written_is_refused_whoever_asks(file: str) -> None:
    with pytest.raises(TxmonError, match="cannot be written: name another place"):
        writable(Path(file))
