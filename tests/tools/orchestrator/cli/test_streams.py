"""Output to a pipe or a file."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import _call
from tools.orchestrator.cli.options import path_argument, require_writable
from tools.orchestrator.cli.streams import printable, shortened
from tools.orchestrator.model.errors import OrchestratorError

ROOT = Path(__file__).parents[4]


def shell(line: str, encoding: str = "utf-8", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which `$python` is this Python and `$inv` is the launcher."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=ROOT,
        env={**os.environ, "python": sys.executable, "inv": "./inv", **variables},
        capture_output=True,
        encoding=encoding,
        check=False,
    )


@pytest.mark.parametrize("line", ["$inv --list | true", "$inv diff-env dev prod | head -1"])
def test_a_verb_whose_reader_is_gone_succeeds(line: str) -> None:
    done = shell(line)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_verb_goes_on_after_its_reader_is_gone(tmp_path: Path, stream: str) -> None:
    program = f"""
import sys
from pathlib import Path
from tools.orchestrator.cli.streams import replace_standard_streams
replace_standard_streams()
for _ in range(3):
    print("x" * 100_000, file=sys.{stream}, flush=True)
Path("{tmp_path}/ended").touch()
"""
    redirection = "2>&1 >/dev/null" if stream == "stderr" else ""
    assert shell(f"$python -c '{program}' {redirection} | true").returncode == 0
    assert (tmp_path / "ended").exists()


ON_A_TERMINAL = f"""{sys.executable} -c 'import pty, sys; sys.exit(pty.spawn(["sh", "-c", sys.argv[1]]))' '{{}}'"""


def test_lines_in_a_pipe_end_without_blanks() -> None:
    done = shell("$inv environments | cat")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("environment")
    assert not [line for line in done.stdout.splitlines() if line.endswith(" ")]


def test_a_closed_stdout_ends_no_verb() -> None:
    done = shell("$inv environments >&-")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.fixture(params=["ja_JP.EUC-JP", "en_US.ISO-8859-1", "C"])
def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Return the variables of a locale whose encoding is not UTF-8."""
    language, _, encoding = request.param.partition(".")
    if encoding:
        command = ["localedef", "-i", language, "-f", encoding, tmp_path / request.param]
        if not shutil.which("localedef") or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip(f"{request.param} cannot be made here")
    return {"LOCPATH": str(tmp_path), "LC_ALL": request.param, "encoding": encoding or "UTF-8"}


@pytest.mark.parametrize("line", ["{} | cat", ON_A_TERMINAL], ids=["pipe", "terminal"])
def test_text_is_printed_in_the_encoding_of_the_locale(foreign: dict[str, str], line: str) -> None:
    done = shell(line.format("$inv --help new-env"), **foreign)
    assert done.returncode == 0, done.stdout
    ellipsis = "?" if foreign["encoding"] == "ISO-8859-1" else "…"
    assert f"local-{ellipsis} is deployed to the" in done.stdout


@pytest.mark.slow
def test_verbs_work_in_every_locale(foreign: dict[str, str]) -> None:
    verbs = ["--list", "graph", "contracts", "environments", "diff-env dev prod", "affected --base HEAD"]
    done = shell(" && ".join(f"$inv {verb}" for verb in verbs), **foreign)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("line", ["$inv --list >/dev/full", "$inv contracts >/dev/full", "$inv --help up >/dev/full"])
def test_output_that_a_full_disk_loses_is_one_sentence(line: str) -> None:
    done = shell(line)
    assert (done.returncode, done.stderr) == (1, "txmon: stdout could not be written: No space left on device\n")


HOSTILE = "a\x1b]0;title\x07b\r\x9b2Jc\u202ed\x1b[31me\tf"
PRINTED = r"a\u001b]0;title\u0007b\u000d\u009b2Jc\u202ede"
PRINTED_TEXT = r"a\u001b]0;titleb\u009b2Jc\u202ede"  # rich itself leaves out some
PRINT_IT = f"""
import sys
from rich.table import Table
from rich.text import Text
from tools.orchestrator.cli import streams, terminal
streams.replace_standard_streams()
for each in (terminal.console(), terminal.console(stderr=True)):
    each.print({HOSTILE!r}, soft_wrap=True)
    each.print(Text({HOSTILE!r}, "red"), soft_wrap=True)
for stream in (sys.stdout, sys.stderr):
    print({HOSTILE!r}, file=stream)
"""


@pytest.mark.parametrize("line", ["{} | cat", ON_A_TERMINAL], ids=["pipe", "terminal"])
def test_control_characters_of_a_text_do_not_reach_the_terminal(line: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PRINT_IT)
    done = shell(line.format(f"$python {program} 2>&1"))
    assert done.returncode == 0, done.stdout
    without_styles = re.sub(r"\x1b\[(0|31)m", "", done.stdout)
    plain, text, *others = [line.split()[0] for line in without_styles.splitlines()]
    assert {text, others[1]} == {PRINTED_TEXT}
    assert {plain, others[0], *others[2:]} == {PRINTED}
    assert len(others) == 4


def test_json_with_control_characters_means_the_same() -> None:
    value = {"name": "a\x1bb\x9bc\x7fd\u2028"}
    assert json.loads(printable(json.dumps(value, ensure_ascii=False))) == value


def test_a_line_for_people_is_cut() -> None:
    assert shortened("short\n" + "x" * 50_000 + "\nend") == "short\n" + "x" * 20_000 + "…\nend"


def test_a_verb_that_runs_a_command_shows_it_without_colours(capfd: pytest.CaptureFixture[str]) -> None:
    assert _call("sh", "-c", "exit 3") == 3
    assert capfd.readouterr().out == "sh -c 'exit 3'\n"


def test_a_path_argument_must_not_be_empty() -> None:
    with pytest.raises(OrchestratorError, match="the name of a file or folder is empty"):
        path_argument("")


def test_a_writable_file_is_left_unchanged(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "folder/new"
    old.write_text("kept")
    assert (require_writable(old), require_writable(new)) == (old, new)
    assert old.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("file", ["/proc/x", "/proc/self/x/y", "/dev/null/x", "."])
def test_a_file_that_cannot_be_written_is_refused(file: str) -> None:
    with pytest.raises(OrchestratorError, match="cannot be written: name another place"):
        require_writable(Path(file))
