"""The command line: mistyped words, refused options, and help."""

import os
import re
import subprocess
import sys
from pathlib import Path

import invoke
import pytest
from invoke.tasks import Task

import tasks

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def _keep_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test parse as a process of its own would: invoke removes an option's help once it has read it."""
    for verb in vars(tasks).values():
        if isinstance(verb, Task):
            monkeypatch.setattr(verb, "help", dict(verb.help))


def run(*words: str) -> int:
    """Return the exit code of `./inv` with these words."""
    with pytest.raises(SystemExit) as ended:
        tasks.program.run(["inv", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("deply-all", "there is no verb 'deply-all'; did you mean 'deploy-all'?"),
        ("deploy_all", "there is no verb 'deploy_all'; did you mean 'deploy-all'?"),
        ("xyz", "there is no verb 'xyz'; there are: affected, alarm-test, bench, "),
        ("it's", 'there is no verb "it\'s"; there are: affected, '),
        ("--help deply-all", "there is no verb 'deply-all'; did you mean 'deploy-all'?"),
        ("deply-all --help", "there is no verb 'deply-all'; did you mean 'deploy-all'?"),
        ("deploy-all --evn dev", "deploy-all has no option '--evn'; did you mean '--env'?"),
        ("up --yess network", "up has no option '--yess'; did you mean '--yes'?"),
        ("up network --yess", "up has no option '--yess'; did you mean '--yes'?"),
        ("up --yess", "up has no option '--yess'; did you mean '--yes'?"),
        ("docs --env dev", "docs has no option '--env'; there are: --help"),
        ("--lst", "./inv has no option '--lst'; did you mean '--list'?"),
        ("status -- --env dev", "status has no option '--'; there are: --env, --help"),
        ("deploy-all network", "deploy-all takes no 'network': ./inv deploy-all [options]"),
        ("test --select drift --unti", "test has no option '--unti'; did you mean '--unit'?"),
        ("deploy-all --report outputs --parallel", "deploy-all --parallel needs a value"),
        ("up network security", "up takes no 'security': ./inv up LAYER [options]"),
        ("up", "up needs LAYER: ./inv up LAYER [options]"),
        ("diff-env --format json", "diff-env needs ONE OTHER: ./inv diff-env ONE OTHER [options]"),
        ("status --env", "status --env needs a value"),
        ("preview-all --parallel", "preview-all --parallel needs a value"),
        ("preview-all --parallel 0", "--parallel '0' has to be a whole number, 1 or more"),
        ("local-env --port x", "--port 'x' has to be a whole number, from 0 to 65535"),
    ],
)
def test_a_mistyped_command_line_is_answered_with_one_sentence(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words.split()) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"txmon: {message}")


@pytest.mark.parametrize("option", ["--dry", "-R", "--echo", "--warn-only", "--pty", "--config=x", "-T=1", "--debug"])
@pytest.mark.parametrize("place", [0, 1])
def test_an_option_of_invoke_is_refused_before_anything_is_done(
    option: str, place: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["environments"]
    words.insert(place, option)
    assert run(*words) == 1
    printed = capsys.readouterr()
    assert f"has no option '{option.partition('=')[0]}'" in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("words", ["up --help", "up -h", "--help up", "-h up", "up network --help", "up --yes -h"])
def test_help_is_shown_before_and_after_the_verb(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words.split()) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: ./inv up LAYER [options]\n\nDeploy one layer, if")
    assert "-y, --yes " in text


def test_help_shows_that_an_option_takes_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy-all", "--help") == 0
    assert "-p INT, --parallel=INT " in capsys.readouterr().out


@pytest.mark.parametrize("words", ["--help", "-h", "--list", "-l"])
def test_the_first_page_lists_the_verbs(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words.split()) == 0
    assert re.search(r"\n  deploy-all +Deploy every layer, ", capsys.readouterr().out)


def test_the_users_configuration_of_invoke_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".invoke.yaml").write_text("tasks: {broken")
    assert run("--list") == 0
    assert "deploy-all" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("./inv up --", ["--env", "--layer", "--refresh", "--yes"]),
        ("inv up --", ["--env", "--layer", "--refresh", "--yes"]),
        ("./inv --", ["--help", "--list", "--print-completion-script", "--version"]),
    ],
)
def test_the_shell_completes_options(typed: str, offered: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--complete", "--", typed) == 0
    assert sorted(capsys.readouterr().out.split()) == offered


def test_bash_completes_a_verb_with_the_script() -> None:
    script = """
        source <(./inv --print-completion-script bash)
        COMP_WORDS=(./inv deploy)
        _complete_inv ./inv deploy
        complete -p ./inv
        echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-ec", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "complete -o default -F _complete_inv ./inv\ndeploy-all\n"
    assert done.stderr == ""


@pytest.mark.parametrize("words", ["--print-completion-script", "--print-completion-script=ksh"])
def test_completion_needs_the_name_of_a_shell(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 1
    assert capsys.readouterr().err == "txmon: --print-completion-script needs a shell: bash, zsh or fish\n"


def test_short_options_mean_the_same_in_every_verb() -> None:
    verbs = tasks.program.namespace.to_contexts()
    short = {(name, flag) for verb in verbs for flag, name in verb.flags.aliases.items() if len(flag) == 2}
    assert short == {("--env", "-e"), ("--yes", "-y"), ("--parallel", "-p"), ("--format", "-f")}


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_printed(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(option) == 0
    assert capsys.readouterr().out == "txmon 1.0.0\n"


@pytest.mark.parametrize("name", ["invoke", "inv"])
def test_an_invoke_of_another_installation_hands_over_to_the_launcher(name: str, tmp_path: Path) -> None:
    site = tmp_path / "site"  # of a Python that has invoke and nothing else of what the tools import
    site.mkdir()
    for found in Path(invoke.__file__).parents[1].glob("invoke*"):
        (site / found.name).symlink_to(found)
    program = tmp_path / name
    program.write_text("import sys; from invoke.main import program; sys.exit(program.run())")
    command = [sys.executable, "-S", program, "preview-all", "-s", "data"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        command, cwd=ROOT / "projects", env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("txmon: preview-all has no option '-s'; there are: ")
