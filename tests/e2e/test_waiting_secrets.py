"""An environment that is destroyed and deployed again while its secrets wait for their deletion."""

import re

import pytest

pytestmark = [pytest.mark.local, pytest.mark.slow]

NAMES = ("rds-credentials-local", "redis-auth-local")


def test_secrets_that_wait_for_their_deletion_are_restored_by_the_shown_commands(clone) -> None:
    with clone.settings("security", secretRecoveryDays=7):
        assert clone.inv("up", "security").code == 0
        destroyed = clone.inv("destroy-all")
        assert re.search(r"redis-auth-local +recoverable for 7 days, in which its name is taken", destroyed.out)
        done = clone.inv("up", "security")
        restored: list[str] = []
        while done.code and len(restored) < len(NAMES):  # the engine may stop at the first before it tries the second
            assert "You can't create this secret because a secret with this name is already scheduled" in done.out
            assert "continue with: ./inv resume --env local" in done.out
            restored += restore(clone, done.out)
            done = clone.inv("resume")
        assert done.code == 0, done.said
        assert set(restored) == set(NAMES)
        held = {each["outputs"]["name"] for each in clone.resources("security") if each["type"].endswith(":Secret")}
        assert held == set(NAMES)


def restore(clone, said: str) -> list[str]:
    """Run the commands that a failed run shows, and return the names of the secrets that they restore."""
    restoring = r"^    aws secretsmanager restore-secret --region ap-northeast-1 --secret-id (\S+)$"
    names = re.findall(restoring, said, re.MULTILINE)
    assert names, said
    for name in names:
        [adopt] = re.findall(rf"^    (.*\$\(aws .*--secret-id {name}.*)$", said, re.MULTILINE)
        # The tests have no aws command line.
        arn = clone.client("secretsmanager").restore_secret(SecretId=name)["ARN"]
        imported = clone.shell(re.sub(r"\$\(aws .*?\)", arn, adopt) + " --yes")
        assert imported.code == 0, imported.said
    return names
