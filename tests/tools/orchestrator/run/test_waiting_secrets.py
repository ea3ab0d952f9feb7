"""What to do about secrets whose names are taken until their deletion."""

from pathlib import Path

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.model.operation import Action, Operation, ResourceChange, ResourceState
from tools.orchestrator.run.waiting_secrets import SECRET_TYPE, restore_commands

PARENT = "urn:pulumi:dev::shop-vault::shop:Safe::safe"
PROVIDER = "urn:pulumi:dev::shop-vault::pulumi:providers:aws::aws"
PLANNED = ResourceState(
    {"name": "token-dev"}, {}, protected=False, custom=True, parent=PARENT, provider=f"{PROVIDER}::1f"
)
WAITS = "token: CreateSecret: InvalidRequestException: a secret with this name is already scheduled for deletion."


def failed(kind: str, error: str) -> Operation:
    change = ResourceChange("create", kind, f"urn:pulumi:dev::shop-vault::shop:Safe${kind}::token", new=PLANNED)
    return Operation("vault", Action.UP, failed=[change], errors=[error])


def test_a_secret_that_waits_for_its_deletion_is_restored_and_imported(tmp_path: Path) -> None:
    aws = "--region ap-northeast-1 --secret-id token-dev"
    assert restore_commands(make_workspace(make_monorepo(tmp_path)), [failed(SECRET_TYPE, WAITS)]) == [
        f"aws secretsmanager restore-secret {aws}",
        (
            f"pulumi import {SECRET_TYPE} token "
            f"$(aws secretsmanager describe-secret {aws} --query ARN --output text) "
            f"--parent safe={PARENT} --provider aws={PROVIDER} --generate-code=false --protect=false "
            "--stack dev --cwd projects/vault"
        ),
    ]


def test_other_failures_need_no_restore(tmp_path: Path) -> None:
    workspace = make_workspace(make_monorepo(tmp_path))
    of_another = failed(SECRET_TYPE, WAITS.replace("token", "key"))
    others = [failed(SECRET_TYPE, "token: AccessDenied"), of_another, failed("aws:x:Y", WAITS)]
    assert restore_commands(workspace, others) == []
