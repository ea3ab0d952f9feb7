"""What a command line that is mistyped is answered with, and what it cannot ask for."""

from pathlib import Path

import pytest
from invoke.tasks import Task
from shared.errors import TxmonError

import tasks


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command line as in a process of its own: invoke takes an option's help away once it is asked for."""
    for verb in vars(tasks).values():
        if isinstance(verb, Task):
            monkeypatch.setattr(verb, "help", dict(verb.help))


def run(*words: str) -> int:
    """The exit code of `./inv` with these words."""
    with pytest.raises(SystemExit) as ended:
        tasks.program.run(["inv", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("deply-all", "there is no verb 'deply-all'; did you mean 'deploy-all'?"),
        ("deploy_all", "there is no verb 'deploy_all'; did you mean 'deploy-all'?"),
        ("xyz", "there is no verb 'xyz'; there are: affected, bench, check, "),
        ("it's", 'there is no verb "it\'s"; there are: affected, '),
        ("--help deply-all", "there is no verb 'deply-all'; did you mean 'deploy-all'?"),
        ("deply-all --help", "there is no verb 'deply-all'; did you mean 'deploy-all'?"),
        ("deploy-all --evn dev", "deploy-all has no option '--evn'; did you mean '--env'?"),
        ("up --yess network", "up has no option '--yess'; did you mean '--yes'?"),
        ("up network --yess", "up has no option '--yess'; did you mean '--yes'?"),
        ("up --yess", "up has no option '--yess'; did you mean '--yes'?"),
        ("docs --env dev", "docs has no option '--env'; there are: --help"),
        ("--lst", "./inv has no option '--lst'; did you mean '--list'?"),
        ("status -- --env dev", "./inv has no option '--'; there are: --list, --help"),
        ("deploy-all network", "deploy-all takes no 'network': ./inv deploy-all [options]"),
        ("up network security", "up takes no 'security': ./inv up LAYER [options]"),
        ("up", "up needs LAYER: ./inv up LAYER [options]"),
        ("diff-env --format json", "diff-env needs ONE and OTHER: ./inv diff-env ONE OTHER [options]"),
        ("status --env", "status --env needs a value"),
        ("preview-all --parallel", "preview-all --parallel needs a value"),
        ("preview-all --parallel 0", "--parallel '0' has to be a whole number, 1 or more"),
        ("local-env --port x", "--port 'x' has to be a whole number, from 0 to 65535"),
        ("--print-completion-script", "--print-completion-script needs a value"),
    ],
)
def test_what_is_mistyped_is_one_sentence_that_names_the_right_word(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words.split()) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"txmon: {said}")


@pytest.mark.parametrize("option", ["--dry", "-R", "--echo", "--warn-only", "--pty", "--config=x", "-T=1", "--debug"])
@pytest.mark.parametrize("place", [0, 1])
def test_an_option_that_no_verb_heeds_is_refused_before_anything_is_done(
    option: str, place: int, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["environments"]
    words.insert(place, option)
    assert run(*words) == 1
    answered = capsys.readouterr()
    assert f"has no option '{option.partition('=')[0]}'" in answered.err
    assert answered.out == ""


@pytest.mark.parametrize("words", ["up --help", "up -h", "--help up", "-h up", "up network --help", "up --yes -h"])
def test_help_is_given_wherever_it_is_asked_for(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words.split()) == 0
    said = capsys.readouterr().out
    assert said.startswith("Usage: ./inv up LAYER [options]\n\nDeploy one layer, if")
    assert "-r, --refresh " in said


def test_the_help_of_a_number_says_that_it_takes_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy-all", "--help") == 0
    assert "-p INT, --parallel=INT " in capsys.readouterr().out


@pytest.mark.parametrize("words", ["--help", "-h", "--list", "-l", "--list status"])
def test_the_first_page_lists_the_verbs(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words.split()) == 0
    assert "\n  deploy-all     Deploy every layer, " in capsys.readouterr().out


def test_what_the_user_has_told_invoke_changes_no_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".invoke.yaml").write_text("tasks: {broken")
    assert run("--list") == 0
    assert "deploy-all" in capsys.readouterr().out


def test_the_shell_completes_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--complete", "--", "inv up --") == 0
    assert capsys.readouterr().out.split() == ["--env", "--layer", "--refresh", "--yes"]


def test_a_file_without_a_name_is_refused() -> None:
    with pytest.raises(TxmonError, match="the name of a file or folder is empty"):
        tasks.path("")
