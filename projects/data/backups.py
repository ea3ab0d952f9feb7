"""Copies of PostgreSQL in another region and, if a vault is given, in another account, made by AWS Backup."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
from pulumi import Input, ResourceOptions

from projects.data.config import DataConfig
from shared.config import refusal
from shared.contracts import SecurityContract
from shared.iam import allow, delegated_to_iam, document, use_key
from shared.stack import StackContext

SCHEDULE = "cron(0 2/6 * * ? *)"
"""At 02, 08, 14 and 20 hours UTC: AWS Backup and RDS refuse backups within an hour before RDS's own windows, which by
default begin at 17 and 18 (AWS Backup Developer Guide, "Amazon RDS backups")."""

USE_KEYS = (
    "kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo",
)  # fmt: skip
"""What copying an encrypted snapshot needs (AWS managed policy AWSBackupServiceRolePolicyForBackup)."""


class Backups(pulumi.ComponentResource):
    """A plan that takes snapshots of the instance every six hours, and copies each to vaults elsewhere.

    Vaults and their key outlive the stack: AWS deletes no vault with recovery points, and they are for that case.
    """

    def __init__(
        self, stack: StackContext, config: DataConfig, security: SecurityContract, *, instance_arn: Input[str]
    ) -> None:
        super().__init__("txmon:data:Backups", stack.names.logical("backups"), opts=stack.opts)
        if config.copy_region == stack.region:
            raise refusal("copyRegion", f"it is the stack's own, {stack.region}: copies belong in another")
        self._stack, self._config = stack, config
        self._kept = ResourceOptions(parent=self, protect=stack.protect, retain_on_delete=True)
        here = ResourceOptions(parent=self)

        copy_key = self._create_copy_key()
        vault = self._create_vault("backup-vault", security.kms_key_arn, stack.region)
        copy_vault = self._create_vault("backup-copy-vault", copy_key.arn, config.copy_region)
        # Nobody deletes a copy early, unless they first remove the lock, which another permission allows (AWS Backup
        # Developer Guide, "Vault lock", governance mode).
        aws.backup.VaultLockConfiguration(
            stack.names.logical("backup-copy-lock"),
            region=config.copy_region,
            backup_vault_name=copy_vault.name,
            min_retention_days=config.copy_days,
            opts=ResourceOptions(parent=self, retain_on_delete=True),
        )
        elsewhere: list[Input[str]] = [copy_vault.arn]
        if config.copy_account_vault:
            elsewhere.append(config.copy_account_vault)
        role = self._create_role(instance_arn, [vault.arn, *elsewhere], [security.kms_key_arn, copy_key.arn])
        plan = aws.backup.Plan(
            stack.names.logical("backup-plan"),
            rules=[
                aws.backup.PlanRuleArgs(
                    rule_name="four-a-day",
                    target_vault_name=vault.name,
                    schedule=SCHEDULE,
                    lifecycle=aws.backup.PlanRuleLifecycleArgs(delete_after=config.copy_days),
                    copy_actions=[
                        aws.backup.PlanRuleCopyActionArgs(
                            destination_vault_arn=arn,
                            lifecycle=aws.backup.PlanRuleCopyActionLifecycleArgs(delete_after=config.copy_days),
                        )
                        for arn in elsewhere
                    ],
                )
            ],
            tags=stack.name_tag("backup-plan"),
            opts=here,
        )
        aws.backup.Selection(
            stack.names.logical("backup-selection"),
            plan_id=plan.id,
            iam_role_arn=role.arn,
            resources=[instance_arn],
            opts=here,
        )
        self.register_outputs({})

    def _create_copy_key(self) -> aws.kms.Key:
        """Create the key of the copies: they are readable without the data key, which is in the first region."""
        stack = self._stack
        return aws.kms.Key(
            stack.names.logical("backup-copy-kms-key"),
            region=self._config.copy_region,
            description=f"Transaction monitoring {stack.suffix}: copies of PostgreSQL's backups",
            enable_key_rotation=True,
            rotation_period_in_days=365,
            policy=document(delegated_to_iam(stack.arn("iam", "root", region=""))),
            tags=stack.name_tag("backup-copy-kms-key"),
            opts=self._kept,
        )

    def _create_vault(self, kind: str, key_arn: Input[str], region: str) -> aws.backup.Vault:
        return aws.backup.Vault(
            self._stack.names.logical(kind),
            region=region,
            kms_key_arn=key_arn,
            tags=self._stack.name_tag(kind),
            opts=self._kept,
        )

    def _create_role(
        self, instance_arn: Input[str], vault_arns: Sequence[Input[str]], key_arns: Sequence[Input[str]]
    ) -> aws.iam.Role:
        """Create the role that AWS Backup takes; its only policy is also its boundary."""
        stack, here = self._stack, ResourceOptions(parent=self)
        snapshots = stack.arn("rds", "snapshot:awsbackup:*", region="*")  # of each region: copies have this name, too
        regions = (stack.region, self._config.copy_region)
        policy = aws.iam.Policy(
            stack.names.logical("backup-permissions"),
            name=stack.names.physical("backup_permissions"),
            description="Snapshots of PostgreSQL, and their copies",
            policy=document(
                allow(
                    "Snapshots",
                    [
                        "rds:AddTagsToResource", "rds:CopyDBSnapshot", "rds:CreateDBSnapshot", "rds:DeleteDBSnapshot",
                        "rds:DescribeDBInstances", "rds:DescribeDBSnapshots", "rds:ListTagsForResource",
                        "rds:ModifyDBSnapshotAttribute",
                    ],
                    [instance_arn, snapshots],
                ),
                allow("Vaults", ["backup:CopyIntoBackupVault", "backup:DescribeBackupVault"], vault_arns),
                *(
                    use_key(f"Key{number}", USE_KEYS, arn, service="rds", region=region)
                    for number, (arn, region) in enumerate(zip(key_arns, regions, strict=True))
                ),
                allow(
                    "Grants",
                    ["kms:CreateGrant"],
                    key_arns,
                    condition={"Bool": {"kms:GrantIsForAWSResource": "true"}},
                ),
            ),
            tags=stack.name_tag("backup-permissions"),
            opts=here,
        )  # fmt: skip
        role = aws.iam.Role(
            stack.names.logical("backup-role"),
            name=stack.names.physical("backup_role"),
            description="Takes snapshots of PostgreSQL and copies them",
            assume_role_policy=document(
                allow(
                    "Backup",
                    ["sts:AssumeRole"],
                    principal={"Service": "backup.amazonaws.com"},
                    condition={"StringEquals": {"aws:SourceAccount": stack.account_id}},
                )
            ),
            permissions_boundary=policy.arn,
            tags=stack.name_tag("backup-role"),
            opts=here,
        )
        aws.iam.RolePolicyAttachment(
            stack.names.logical("backup-policy"), role=role.name, policy_arn=policy.arn, opts=here
        )
        return role
