"""An environment that is destroyed and deployed again while its secrets wait for their deletion."""

import re

import pytest

pytestmark = pytest.mark.local

NAMES = ("rds-credentials-local", "redis-auth-local")


def test_secrets_that_wait_for_their_deletion_are_restored_by_the_shown_commands(clone) -> None:
    with clone.settings("security", secretRecoveryDays=7):
        assert clone.inv("up", "security").code == 0
        destroyed = clone.inv("destroy-all")
        assert re.search(r"redis-auth-local +recoverable for 7 days, in which its name is taken", destroyed.out)
        failed = clone.inv("up", "security")
        assert failed.code == 1
        assert "You can't create this secret because a secret with this name is already scheduled" in failed.out
        for name in NAMES:
            restore, adopt = re.findall(rf"^    (.*--secret-id {name}.*)$", failed.out, re.MULTILINE)
            assert restore == f"aws secretsmanager restore-secret --region ap-northeast-1 --secret-id {name}"
            # The tests have no aws command line.
            arn = clone.client("secretsmanager").restore_secret(SecretId=name)["ARN"]
            imported = clone.shell(re.sub(r"\$\(aws .*?\)", arn, adopt) + " --yes")
            assert imported.code == 0, imported.said
        assert "continue with: ./inv resume --env local" in failed.out
        resumed = clone.inv("resume")
        assert resumed.code == 0, resumed.said
        held = {each["outputs"]["name"] for each in clone.resources("security") if each["type"].endswith(":Secret")}
        assert held == set(NAMES)
