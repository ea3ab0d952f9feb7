"""A preview of what is deployed: it asks for no secret value and shows no difference."""

import pytest

pytestmark = pytest.mark.local


def test_a_preview_needs_no_secret_value(clone) -> None:
    done = clone.inv("deploy-all", "--only", "network,security,data")
    assert done.code == 0, done.said
    secrets = clone.client("secretsmanager")
    for name in ("redis-auth-local", "rds-credentials-local"):
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    preview = clone.inv("preview", "data")
    assert preview.code == 0, preview.said
    assert "no changes" in preview.out
