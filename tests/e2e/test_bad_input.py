"""Bad input: one clear sentence that names what mends it, a non-zero exit, nothing created and nothing lost."""

import json
import os
import pty
import re
import subprocess
from typing import Any

import pytest

pytestmark = pytest.mark.local


def refused(done: Any, *words: str) -> str:
    """The command failed and its error says all of `words`; gives the error."""
    assert done.code == 1, done.said
    for word in words:
        assert word in done.said, done.said
    return str(done.said)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("deploy-all", "--env", "prdo"), ("there is no environment 'prdo'", "did you mean 'prod'?")),
        (("deploy-all", "--env", "x"), ("there is no environment 'x'", "there are: dev, local, prod")),
        (("up", "strming"), ("there is no layer 'strming'", "did you mean 'streaming'?")),
        (("destroy", "nonsense"), ("there is no layer 'nonsense'", "there are: network")),
        (("outputs", "--format", "yaml"), ("there is no format 'yaml'", "table, json, env")),
        (("graph", "--format", "png"), ("there is no format 'png'", "mermaid")),
        (("outputs",), ("nothing is deployed in local", "./inv deploy-all")),
        (("up", "streaming"), ("streaming reads security, which is not deployed", "./inv up security --env local")),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one(
    clone, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(clone.inv(*arguments), *words)


def test_a_wrong_verb_or_option_gets_a_suggestion_and_runs_nothing(clone) -> None:
    refused(clone.inv("deplo-all"), "txmon: there is no verb 'deplo-all'; did you mean 'deploy-all'?")
    refused(clone.inv("deploy-all", "--only", "network", "--pararell", "1"), "did you mean '--parallel'?")
    refused(clone.inv("--dry", "deploy-all", "--only", "network"), "./inv has no option '--dry'")
    refused(clone.inv("outputs"), "nothing is deployed in local")


def test_saving_a_plan_replaces_only_a_plan_and_names_the_next_command(clone) -> None:
    readme = (clone.path / "README.md").read_text()
    refused(clone.inv("preview-all", "--save", "README.md"), "README.md is not a plan")
    assert (clone.path / "README.md").read_text() == readme
    refused(clone.inv("preview-all", "--save", ""), "the name of a file or folder is empty")
    refused(clone.inv("preview-all", "--report", ""), "the name of a file or folder is empty")
    done = clone.inv("preview-all", "--only", "network", "--save", "my plan.json")
    assert "do it with: ./inv deploy-all --plan 'my plan.json' --env local" in done.err
    (clone.path / "my plan.json").unlink()


@pytest.mark.parametrize(
    ("layer", "setting", "value", "words"),
    [
        ("streaming", "retentionHour", 24, ("there is no setting 'retentionHour'", "did you mean 'retentionHours'?")),
        ("streaming", "shardCount", 0, ("shardCount", "greater than or equal to 1", "0")),
        ("network", "vpcCidr", "10.0.0.0/27", ("vpcCidr", "10.0.0.0/27")),
        ("network", "environmentSuffix", "Dev", ("environmentSuffix", "lower-case")),
    ],
)
def test_a_wrong_setting_is_one_sentence_that_names_key_and_file(
    clone, layer: str, setting: str, value: Any, words: tuple[str, ...]
) -> None:
    """Each kind of fault; those of every setting are in tests/shared/test_config.py."""
    with clone.settings(layer, **{setting: value}):
        done = clone.inv("preview", layer)
    refused(done, f"projects/{layer}/Pulumi.local.yaml", *words)


def test_a_failed_layer_stops_its_dependents_only_and_the_next_run_goes_on(clone) -> None:
    with clone.settings("security", dbUsername="admin"):
        done = clone.inv("deploy-all")
    assert done.code == 1
    assert re.search(r"^network +succeeded", done.out, re.MULTILINE)
    assert re.search(r"^security +failed", done.out, re.MULTILINE)
    assert re.search(r"^streaming +skipped", done.out, re.MULTILINE)
    assert "streaming skipped: waits for security" in done.out
    assert "dbUsername" in done.out
    refused(clone.inv("up", "data"), "data reads security")
    dead_proxy = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    again = clone.inv("deploy-all", **dead_proxy)  # which nothing on this machine may be asked through
    assert again.code == 0, again.said
    assert re.search(r"^\[network +\] succeeded in .*: no changes$", again.out, re.MULTILINE)


def test_up_refuses_while_an_upstream_lacks_an_output(clone) -> None:
    existing = "    kinesis_shard_count: "
    more = f'    kinesis_colour: Annotated[Output[str], OutputSpec("Its colour.", "blue")]\n{existing}'
    with clone.source("shared/contracts/streaming.py", existing, more):
        refused(clone.inv("up", "monitoring"), "monitoring reads streaming", "lacks the output kinesis_colour")


def test_plain_pulumi_says_which_layer_lacks_which_output(clone) -> None:
    existing = "    kinesis_shard_count: "
    more = f'    kinesis_colour: Annotated[Output[str], OutputSpec("Its colour.", "blue")]\n{existing}'
    with clone.source("shared/contracts/streaming.py", existing, more):
        done = clone.shell("pulumi up -s local --yes --skip-preview --cwd projects/monitoring")
    assert done.code != 0
    assert "monitoring reads streaming's output 'kinesis_colour'" in done.said
    assert "./inv up streaming --env local" in done.said


def test_up_refuses_while_an_upstream_failed(clone) -> None:
    with clone.source(
        "projects/streaming/__main__.py", "config = ", 'raise RuntimeError("broken on purpose")\nconfig = '
    ):
        refused(clone.inv("up", "streaming"), "broken on purpose")
    refused(
        clone.inv("up", "monitoring"), "monitoring reads streaming, whose last update failed", "./inv up streaming"
    )
    assert clone.inv("up", "streaming").code == 0


def test_an_existing_secret_that_is_missing_is_named(clone) -> None:
    with clone.settings("security", dbSecretName="no-such-secret"):
        refused(clone.inv("preview", "security"), "no-such-secret", "dbSecretName")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ('{"username": "txadmin"}', "password"),
        ("not json", "JSON"),
        ('{"username": "keeper", "password": "a-password"}', "dbUsername: it is 'txadmin'"),
    ],
    ids=["lacks a field", "no JSON", "another user"],
)
def test_an_existing_secret_of_the_wrong_form_says_what_it_lacks(clone, value: str, word: str) -> None:
    secrets = clone.client("secretsmanager")
    secrets.create_secret(Name="by-hand", SecretString=value)
    try:
        with clone.settings("security", dbSecretName="by-hand"):
            said = refused(clone.inv("up", "security"), "by-hand", word)
        assert value not in said
    finally:
        secrets.delete_secret(SecretId="by-hand", ForceDeleteWithoutRecovery=True)


def test_an_existing_secret_is_used_as_it_is(clone) -> None:
    secrets = clone.client("secretsmanager")
    value = json.dumps({"username": "keeper", "password": "a-password-that-was-there-before"})
    secrets.create_secret(Name="by-hand", SecretString=value)
    with clone.settings("security", dbSecretName="by-hand", dbUsername="keeper"):
        done = clone.inv("preview", "security")
    assert done.code == 0, done.said
    secrets.delete_secret(SecretId="by-hand", ForceDeleteWithoutRecovery=True)


def test_a_real_environment_is_not_changed_without_a_terminal_to_confirm_at(clone) -> None:
    backend = {"PULUMI_BACKEND_URL": f"file://{clone.path}/.local/other", "PULUMI_CONFIG_PASSPHRASE": "x"}
    (clone.path / ".local/other").mkdir(exist_ok=True)
    refused(clone.inv("deploy-all", "--env", "dev", **backend), "dev is a real environment", "--yes")


def test_a_real_environment_asks_for_its_name_and_takes_no_for_an_answer(clone) -> None:
    master, terminal = pty.openpty()
    environment = clone.environment(
        PULUMI_BACKEND_URL=f"file://{clone.path}/.local/other", PULUMI_CONFIG_PASSPHRASE="x", COLUMNS="200"
    )
    os.write(master, b"no\n")
    done = subprocess.run(
        clone.command("up", "network", "--env", "dev"),
        env=environment,
        stdin=terminal,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(terminal)
    os.close(master)
    assert done.returncode == 1
    assert "not confirmed; nothing was done" in done.stderr


def test_a_wrong_passphrase_is_said_so(clone) -> None:
    other = clone.path / ".local/passphrase"
    other.mkdir(parents=True, exist_ok=True)
    backend = {"PULUMI_BACKEND_URL": f"file://{other}"}
    file = clone.path / "projects/network/Pulumi.dev.yaml"
    before = file.read_text()
    made = clone.shell(
        f"export PULUMI_BACKEND_URL=file://{other} PULUMI_CONFIG_PASSPHRASE=right\n"
        "pulumi stack init dev --cwd projects/network"
    )
    assert made.code == 0, made.said
    try:
        refused(
            clone.inv("up", "network", "--env", "dev", "--yes", PULUMI_CONFIG_PASSPHRASE="wrong", **backend),
            "the passphrase of dev is wrong",
            "PULUMI_CONFIG_PASSPHRASE",
        )
    finally:
        file.write_text(before)


def test_no_backend_is_said_so(clone) -> None:
    never_logged_in = str(clone.path / ".local/no-login")
    refused(
        clone.inv("status", "--env", "dev", PULUMI_HOME=never_logged_in),
        "state backend for dev",
        "PULUMI_BACKEND_URL",
    )


def test_a_failed_program_shows_its_output_and_the_line_it_failed_at(clone) -> None:
    page = "projects/network/__main__.py"
    with clone.source(page, "config = NetworkConfig.load()", 'print("so far")\nconfig = NetworkConfig.load(1)'):
        line = (clone.path / page).read_text().splitlines().index("config = NetworkConfig.load(1)") + 1
        done = clone.inv("preview", "network")
    refused(done, f"network failed: the program failed at {page}:{line}: TypeError")
    assert "[network] so far\n" in done.out
