"""What is accepted in spite of a rule, and why. An exception that nothing needs any more fails a test."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from shared.policies.rule import Violation


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """Violations of one control that are accepted."""

    control: str
    reason: str
    resource: str = "*"
    """Logical name without the environment, with `*`; and after a colon the Sid of a policy's statement."""
    production: bool = False
    """Also where the stack is held to production's rules."""

    def covers(self, violation: Violation) -> bool:
        resource = violation.resource
        name = f"{resource.kind}:{violation.part}" if violation.part else resource.kind
        return (
            violation.rule.control == self.control
            and fnmatchcase(name, self.resource)
            and (self.production or not resource.production)
        )


DESTROYABLE = "destroyable: nothing that is worth keeping is made here"
CHEAP = "development pays for what it uses, not for what an audit reads"
KEY_ACTIONS = "AWS's own documentation writes these actions with a wildcard, and the resource is this key alone"
NO_RESOURCES = "an action that AWS does not restrict to resources"
OWN_ACCOUNT = "for this account's principals and resources only: what each may do is said by its own policies"

EXCEPTIONS = (
    # Development.
    Accepted(control="RDS.6", reason=CHEAP),
    Accepted(control="RDS.8", reason=DESTROYABLE),
    Accepted(control="RDS.11", reason=DESTROYABLE),
    Accepted(control="ElastiCache.1", reason=DESTROYABLE),
    Accepted(control="Kinesis.3", reason=CHEAP),
    Accepted(control="KMS.3", reason=DESTROYABLE),
    Accepted(control="CloudWatch.16", reason=CHEAP),
    Accepted(control="TXMON.13", reason=DESTROYABLE),
    Accepted(control="TXMON.16", reason=DESTROYABLE),
    Accepted(control="TXMON.19", reason=DESTROYABLE),
    Accepted(control="TXMON.24", reason=DESTROYABLE),
    Accepted(
        control="SecretsManager.1",
        resource="rds-credentials",
        reason="rotated by raising dbCredentialsVersion; production lets RDS rotate it",
    ),
    # Everywhere.
    Accepted(
        control="EC2.6",
        resource="vpc",
        reason="its flow log is monitoring's, whose stack is asked for one by the same rule",
        production=True,
    ),
    Accepted(
        control="SecretsManager.1",
        resource="redis-auth",
        reason="ElastiCache does not rotate its token: raise redisCredentialsVersion, deploy security, then data",
        production=True,
    ),
    Accepted(
        control="IAM.21",
        resource="*kms-key:AccountRoot",
        reason="as KMS's default policy: hands the key to IAM, which grants single actions, and prevents lock-out",
        production=True,
    ),
    *(
        Accepted(control="TXMON.5", resource=f"*kms-key:{statement}", reason=KEY_ACTIONS, production=True)
        for statement in (
            "UseThroughDatabases",
            "UseThroughSecretsManager",
            "CloudWatchLogs",
            "AlarmsToTopic",
            "RdsEventsToTopic",
            "EventBridgeToTopic",
        )
    ),
    Accepted(
        control="TXMON.8",
        resource="telemetry-kms-key:EventBridgeToTopic",
        reason="EventBridge tells KMS no source; the topic itself asks for aws:SourceArn",
        production=True,
    ),
    Accepted(control="IAM.21", resource="*-endpoint:OwnAccountOnly", reason=OWN_ACCOUNT, production=True),
    Accepted(control="TXMON.6", resource="*-endpoint:OwnAccountOnly", reason=OWN_ACCOUNT, production=True),
    Accepted(
        control="TXMON.6",
        resource="permissions-boundary:MostThatCanBeGranted",
        reason="a boundary grants nothing: it limits actions, and the grants limit the resources",
        production=True,
    ),
    Accepted(
        control="TXMON.6",
        resource="kinesis-vpc-policy:StandInVpc",
        reason="Lambda's network interfaces do not exist beforehand, and their Describe actions know no resources",
        production=True,
    ),
    Accepted(control="TXMON.6", resource="kinesis-policy:List", reason=NO_RESOURCES, production=True),
    Accepted(control="TXMON.6", resource="flow-log-delivery:FindGroup", reason=NO_RESOURCES, production=True),
)


def accepted(violation: Violation) -> bool:
    return any(exception.covers(violation) for exception in EXCEPTIONS)
