"""What the security layer exports."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pulumi import Output

from shared.contracts.contract import Contract
from shared.contracts.output_spec import OutputSpec

_KEY = "arn:aws:kms:ap-northeast-1:123456789012:key/"
_ROLE = "arn:aws:iam::123456789012:role/"
_SECRET = "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:"  # noqa: S105 (the ARN's beginning)


@dataclass(frozen=True, kw_only=True)
class SecurityContract(Contract):
    """Keys, roles and secrets by ARN. No secret value ever leaves the layer."""

    layer: ClassVar[str] = "security"

    kms_key_id: Annotated[
        Output[str], OutputSpec("The data key, for RDS, Redis and backups.", "1a2b3c4d-0000-4000-8000-000000000001")
    ]
    kms_key_arn: Annotated[
        Output[str], OutputSpec("The data key's ARN.", f"{_KEY}1a2b3c4d-0000-4000-8000-000000000001")
    ]
    stream_key_arn: Annotated[
        Output[str], OutputSpec("The key of the Kinesis stream.", f"{_KEY}1a2b3c4d-0000-4000-8000-000000000002")
    ]
    secrets_key_arn: Annotated[
        Output[str], OutputSpec("The key of the secrets.", f"{_KEY}1a2b3c4d-0000-4000-8000-000000000003")
    ]
    telemetry_key_arn: Annotated[
        Output[str],
        OutputSpec(
            "The key of log groups, alerts topic and dead-letter queue.",
            f"{_KEY}1a2b3c4d-0000-4000-8000-000000000004",
        ),
    ]
    kinesis_role_arn: Annotated[Output[str], OutputSpec("The consumer's role.", f"{_ROLE}kinesis-role-dev")]
    kinesis_role_name: Annotated[
        Output[str], OutputSpec("Name of the consumer's role, for attaching policies.", "kinesis-role-dev")
    ]
    kinesis_role_id: Annotated[
        Output[str],
        OutputSpec(
            "Unique id of the consumer's role. Attached policies are lost when it changes.", "AROA0000000000000001"
        ),
    ]
    migrator_role_arn: Annotated[
        Output[str],
        OutputSpec("The role that migrates PostgreSQL's schema.", f"{_ROLE}processing-migrator-role-dev"),
    ]
    migrator_role_name: Annotated[
        Output[str],
        OutputSpec("Name of the migrator's role, for attaching policies.", "processing-migrator-role-dev"),
    ]
    migrator_role_id: Annotated[
        Output[str],
        OutputSpec(
            "Unique id of the migrator's role. Attached policies are lost when it changes.", "AROA0000000000000004"
        ),
    ]
    kinesis_producer_role_arn: Annotated[
        Output[str], OutputSpec("The producer's role.", f"{_ROLE}kinesis-producer-role-dev")
    ]
    kinesis_producer_role_name: Annotated[
        Output[str], OutputSpec("Name of the producer's role, for attaching policies.", "kinesis-producer-role-dev")
    ]
    kinesis_producer_role_id: Annotated[
        Output[str],
        OutputSpec(
            "Unique id of the producer's role. Attached policies are lost when it changes.", "AROA0000000000000002"
        ),
    ]
    rds_monitoring_role_arn: Annotated[
        Output[str], OutputSpec("The role of RDS Enhanced Monitoring.", f"{_ROLE}rds-monitoring-role-dev")
    ]
    flow_log_role_arn: Annotated[
        Output[str], OutputSpec("The role that delivers VPC flow logs.", f"{_ROLE}flow-log-role-dev")
    ]
    flow_log_role_name: Annotated[
        Output[str], OutputSpec("Name of the flow logs' role, for attaching policies.", "flow-log-role-dev")
    ]
    flow_log_role_id: Annotated[
        Output[str],
        OutputSpec(
            "Unique id of the flow logs' role. Attached policies are lost when it changes.", "AROA0000000000000003"
        ),
    ]
    db_secret_arn: Annotated[
        Output[str],
        OutputSpec(
            "The secret with PostgreSQL's credentials as JSON (username, password); empty where RDS manages them.",
            f"{_SECRET}rds-credentials-dev-a1B2c3",
        ),
    ]
    db_username: Annotated[Output[str], OutputSpec("PostgreSQL's master user.", "txadmin")]
    db_credentials_version: Annotated[
        Output[int], OutputSpec("Raised to rotate PostgreSQL's master password; 0 where RDS manages it.", 1)
    ]
    redis_secret_arn: Annotated[
        Output[str],
        OutputSpec("The secret whose whole string is Redis's AUTH token.", f"{_SECRET}redis-auth-dev-a1B2c3"),
    ]
    secret_reader_arns: Annotated[
        Output[list[str]],
        OutputSpec(
            "Who else than applications may read the secrets: IAM ARNs, which may contain `*`.",
            ["arn:aws:iam::123456789012:root", f"{_ROLE}OrganizationAccountAccessRole"],
        ),
    ]
    redis_credentials_version: Annotated[
        Output[int], OutputSpec("Raised twice to rotate Redis's AUTH token: even while it is pending.", 1)
    ]
