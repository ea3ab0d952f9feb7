"""An environment whose stacks are encrypted with a KMS key: made, deployed, and read from a second clone."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.local

FILE = "projects/security/Pulumi.dev.yaml"
NO_FACTS = "REAL: tuple[Environment, ...] = ()"


@dataclass(frozen=True)
class Account:
    """Stands for an AWS account: of AWS, the engine reaches only the emulator's KMS."""

    variables: dict[str, str]
    provider: str
    """The secrets provider with the account's key."""

    @property
    def state(self) -> Path:
        return Path(self.variables["PULUMI_BACKEND_URL"].removeprefix("file://"))

    @property
    def secrets_providers(self) -> Any:
        checkpoint = self.state / ".pulumi/stacks/txmon-security/dev.json"
        return json.loads(checkpoint.read_text())["checkpoint"]["latest"]["secrets_providers"]

    @contextmanager
    def described(self, clone, provider: str = "") -> Iterator[None]:
        """Let a clone know the secrets provider of dev for as long as the block runs."""
        facts = f'REAL = (Environment(name="dev", secrets_provider="{provider or self.provider}"),)'
        with clone.source("shared/environments.py", NO_FACTS, facts):
            yield


def unusual(stack_file: str) -> str:
    """Return a stack file that means the same and that the engine would rewrite in other words."""
    merged = "team: unknown\nsizes: &sizes\n  txmon-security:keyDeletionDays: 7\nconfig:\n  <<: *sizes\n"
    return stack_file.replace("config:\n", merged).replace("txmon-security:protect:", "protect:")


@pytest.fixture(scope="module")
def account(clone) -> Account:
    shown = clone.shell("env").out
    local = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PULUMI_HOME")
    state = clone.path / ".local/dev"
    state.mkdir()
    key = clone.client("kms").create_key()["KeyMetadata"]["KeyId"]
    return Account(
        {name: local[name] for name in names}
        | {"AWS_ENDPOINT_URL_KMS": local["AWS_ENDPOINT_URL"], "PULUMI_BACKEND_URL": state.as_uri()},
        f"awskms://{key}?region=ap-northeast-1",
    )


@pytest.fixture(scope="module")
def deployed(clone, account: Account) -> str:
    """Deploy a layer once, in a shell that has a passphrase, too; return its stack file as it was before."""
    before = (clone.path / FILE).read_text()
    with account.described(clone):
        done = clone.inv(
            "up", "security", "--env", "dev", "--yes", **account.variables, PULUMI_CONFIG_PASSPHRASE="not used"
        )
    assert done.code == 0, done.said
    assert f"commit {FILE}: how the secrets are encrypted was added" in done.out
    return before


def test_the_state_is_encrypted_with_the_key_and_not_a_passphrase(account: Account, deployed: str) -> None:
    assert account.secrets_providers["type"] == "cloud"
    assert account.secrets_providers["state"]["url"] == account.provider


def test_the_stack_file_names_the_key_and_is_otherwise_unchanged(clone, account: Account, deployed: str) -> None:
    key = account.secrets_providers["state"]["encryptedkey"]
    added = f"secretsprovider: {account.provider}\nencryptedkey: {key}\n"
    assert (clone.path / FILE).read_text() == deployed + added


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
def test_a_second_clone_reads_the_stack_without_a_passphrase(
    clone, account: Account, deployed: str, new_clone: Callable[[], Any], committed: bool
) -> None:
    second = new_clone()
    before = (clone.path / FILE).read_text() if committed else unusual(deployed)
    (second.path / FILE).write_text(before)
    with account.described(second):
        done = second.inv("preview", "security", "--env", "dev", **account.variables)
    assert done.code == 0, done.said
    assert "no changes" in done.out
    assert (second.path / FILE).read_text() == before


@pytest.mark.parametrize("verb", [("up", "security", "--yes"), ("preview", "security"), ("drift",)])
def test_another_key_than_the_environments_is_refused(
    clone, account: Account, deployed: str, verb: tuple[str, ...]
) -> None:
    other = "awskms://alias/other?region=ap-northeast-1"
    before = account.secrets_providers
    with account.described(clone, other):
        done = clone.inv(*verb, "--env", "dev", **account.variables)
    assert done.code == 1
    assert f"security encrypts its secrets with {account.provider}, as {FILE} says" in done.err
    assert f"pulumi stack change-secrets-provider '{other}' --stack dev --cwd projects/security" in done.err
    assert account.secrets_providers == before


def test_a_variable_does_not_replace_the_key(clone, account: Account, deployed: str) -> None:
    before = account.secrets_providers
    with account.described(clone), clone.source("projects/security/Pulumi.dev.yaml", "7 # KMS", "8 # KMS"):
        done = clone.inv(
            *("up", "security", "--env", "dev", "--yes"),
            **account.variables,
            PULUMI_CLOUD_SECRET_OVERRIDE="awskms://alias/other?region=ap-northeast-1",
        )
    assert done.code == 0, done.said
    assert account.secrets_providers == before


def test_the_named_command_moves_the_stack_to_another_key(clone, account: Account, deployed: str) -> None:
    other = f"awskms://{clone.client('kms').create_key()['KeyMetadata']['KeyId']}?region=ap-northeast-1"
    with account.described(clone, other):
        refused = clone.inv("preview", "security", "--env", "dev", **account.variables)
        command = refused.err.strip().rsplit(": ", 1)[1]
        backend = f"export PULUMI_BACKEND_URL={account.variables['PULUMI_BACKEND_URL']}"
        moved = clone.shell(f"{backend}\n{command}")
        assert moved.code == 0, moved.said
        done = clone.inv("preview", "security", "--env", "dev", **account.variables)
    assert done.code == 0, done.said
    assert account.secrets_providers["state"]["url"] == other
