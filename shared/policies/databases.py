"""Rules for PostgreSQL and Redis."""

from shared.policies.resource import Resource
from shared.policies.rule import Rules

RULES = Rules()

POSTGRES = "aws:rds/instance:Instance"
REDIS = "aws:elasticache/replicationGroup:ReplicationGroup"

BACKUP_DAYS = 7
"""The least that Security Hub's RDS.11 accepts by default."""
DEFAULT_USERS = frozenset({"admin", "postgres"})


@RULES.on("RDS.2", POSTGRES)
def database_is_private(database: Resource) -> str | None:
    """A database has no public address."""
    return "set publicly_accessible=False" if database.get("publiclyAccessible") else None


@RULES.on("RDS.3", POSTGRES)
def database_is_encrypted(database: Resource) -> str | None:
    """A database is encrypted at rest with a customer managed key."""
    if database.get("storageEncrypted") and database.has_own_key("kmsKeyId"):
        return None
    return "set storage_encrypted=True and kms_key_id to the data key"


@RULES.on("Backup.1", "aws:backup/vault:Vault")
def backup_vault_is_encrypted(vault: Resource) -> str | None:
    """A backup vault is encrypted at rest with a customer managed key."""
    return None if vault.has_own_key("kmsKeyArn") else "set kms_key_arn to a key of ours in the vault's region"


@RULES.on("RDS.5", POSTGRES)
def database_has_standby(database: Resource) -> str | None:
    """A database has a standby in another availability zone."""
    return None if database.get("multiAz") else "set multi_az=True"


@RULES.on("RDS.6", POSTGRES)
def database_has_enhanced_monitoring(database: Resource) -> str | None:
    """A database has enhanced monitoring."""
    return None if database.get("monitoringInterval") else "set monitoring_interval to 60 seconds or less"


@RULES.on("RDS.8", POSTGRES)
def database_has_deletion_protection(database: Resource) -> str | None:
    """A database has deletion protection."""
    return None if database.get("deletionProtection") else "set deletion_protection=True"


@RULES.on("RDS.9", POSTGRES)
def database_exports_all_logs(database: Resource) -> str | None:
    """All logs of PostgreSQL are exported to CloudWatch Logs."""
    missing = {"postgresql", "upgrade"} - set(database.get("enabledCloudwatchLogsExports") or ())
    return f"add {', '.join(sorted(missing))} to enabled_cloudwatch_logs_exports" if missing else None


@RULES.on("RDS.10", POSTGRES)
def database_has_iam_authentication(database: Resource) -> str | None:
    """Applications can log in with IAM instead of a password."""
    enabled = database.get("iamDatabaseAuthenticationEnabled")
    return None if enabled else "set iam_database_authentication_enabled=True"


@RULES.on("RDS.11", POSTGRES)
def database_has_backups(database: Resource) -> str | None:
    """A database can be restored to any point in time of the last 7 days."""
    days = database.get("backupRetentionPeriod", 0)
    return f"set backup_retention_period to {BACKUP_DAYS} or more" if days < BACKUP_DAYS else None


@RULES.on("RDS.13", POSTGRES)
def database_upgrades_minor_versions(database: Resource) -> str | None:
    """Minor versions, which bring security fixes, are installed automatically."""
    return None if database.get("autoMinorVersionUpgrade", True) else "set auto_minor_version_upgrade=True"


@RULES.on("RDS.17", POSTGRES)
def database_snapshots_are_tagged(database: Resource) -> str | None:
    """Snapshots have the tags of their database."""
    return None if database.get("copyTagsToSnapshot") else "set copy_tags_to_snapshot=True"


@RULES.on("RDS.25", POSTGRES)
def database_has_custom_master_user(database: Resource) -> str | None:
    """The master user does not have a default name."""
    return "choose another username" if database.get("username") in DEFAULT_USERS else None


@RULES.on("RDS.36", POSTGRES)
def database_exports_postgresql_log(database: Resource) -> str | None:
    """PostgreSQL's log is exported to CloudWatch Logs."""
    logs = database.get("enabledCloudwatchLogsExports") or ()
    return None if "postgresql" in logs else 'add "postgresql" to enabled_cloudwatch_logs_exports'


@RULES.on("RDS.38", "aws:rds/parameterGroup:ParameterGroup")
def database_requires_tls(parameters: Resource) -> str | None:
    """PostgreSQL refuses connections without TLS."""
    given = _parameters(parameters)
    return None if given.get("rds.force_ssl") == "1" else 'set the parameter rds.force_ssl to "1"'


@RULES.on(
    "TXMON.34",
    "aws:rds/parameterGroup:ParameterGroup",
    source="PostgreSQL documentation, Error reporting and logging: log_parameter_max_length",
)
def database_log_shows_no_values(parameters: Resource) -> str | None:
    """PostgreSQL logs statements without the values of their parameters, and no statement with a password."""
    given = _parameters(parameters)
    wanted = {"log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0"}
    missing = [f'{name} to "{value}"' for name, value in wanted.items() if given.get(name) != value]
    if given.get("log_statement", "none") != "none":
        missing.append('log_statement to "none"')
    return f"set {', '.join(missing)}" if missing else None


def _parameters(group: Resource) -> dict[str, str]:
    return {parameter["name"]: parameter["value"] for parameter in group.get("parameters") or ()}


@RULES.on("TXMON.16", POSTGRES, source="RDS User Guide, Deleting a DB instance")
def database_has_final_snapshot(database: Resource) -> str | None:
    """A final snapshot and the backups remain after a database is deleted."""
    if database.get("skipFinalSnapshot") or database.get("deleteAutomatedBackups", True):
        return "set skip_final_snapshot=False, final_snapshot_identifier and delete_automated_backups=False"
    return None


@RULES.on("TXMON.30", POSTGRES, source="AWS Well-Architected Framework, SEC08-BP02: enforce encryption at rest")
def database_insights_and_password_are_encrypted(database: Resource) -> str | None:
    """Performance Insights and the master password that RDS creates are encrypted with customer managed keys."""
    enabled = {
        "performanceInsightsKmsKeyId": database.get("performanceInsightsEnabled"),
        "masterUserSecretKmsKeyId": database.get("manageMasterUserPassword"),
    }
    missing = [key for key, is_enabled in enabled.items() if is_enabled and not database.has_own_key(key)]
    return f"set {', '.join(missing)} to a key of the environment's" if missing else None


@RULES.on("TXMON.38", REDIS, source="Redis documentation, SLOWLOG: an entry has the arguments of the command")
def cache_log_shows_no_values(cache: Resource) -> str | None:
    """Redis's slow log, which has the arguments of commands, is not delivered."""
    logs = {each.get("logType") for each in cache.get("logDeliveryConfigurations") or ()}
    return 'remove "slow-log" from log_delivery_configurations' if "slow-log" in logs else None


@RULES.on("ElastiCache.1", REDIS)
def cache_has_backups(cache: Resource) -> str | None:
    """Redis is backed up every day."""
    return None if cache.get("snapshotRetentionLimit") else "set snapshot_retention_limit to 1 or more"


@RULES.on("ElastiCache.2", REDIS)
def cache_upgrades_minor_versions(cache: Resource) -> str | None:
    """Minor versions, which bring security fixes, are installed automatically."""
    return None if cache.get("autoMinorVersionUpgrade", True) else "set auto_minor_version_upgrade=True"


@RULES.on("ElastiCache.3", REDIS)
def cache_has_automatic_failover(cache: Resource) -> str | None:
    """Redis fails over to a replica automatically."""
    return None if cache.get("automaticFailoverEnabled") else "set automatic_failover_enabled=True"


@RULES.on("ElastiCache.4", REDIS)
def cache_is_encrypted(cache: Resource) -> str | None:
    """Redis is encrypted at rest with a customer managed key."""
    if cache.get("atRestEncryptionEnabled") and cache.has_own_key("kmsKeyId"):
        return None
    return "set at_rest_encryption_enabled=True and kms_key_id to the data key"


@RULES.on("ElastiCache.5", REDIS)
def cache_requires_tls(cache: Resource) -> str | None:
    """Redis refuses connections without TLS."""
    if cache.get("transitEncryptionEnabled") and cache.get("transitEncryptionMode", "required") == "required":
        return None
    return 'set transit_encryption_enabled=True and transit_encryption_mode="required"'


@RULES.on("ElastiCache.6", REDIS)
def cache_requires_auth(cache: Resource) -> str | None:
    """Redis requires a token or a user."""
    if cache.has("authTokenWo", "authTokenWoVersion", "userGroupIds"):
        return None
    return "set auth_token_wo or user_group_ids"


@RULES.on("ElastiCache.7", REDIS)
def cache_has_subnet_group(cache: Resource) -> str | None:
    """Redis is in a subnet group of its own, not in the default one."""
    if cache.has("subnetGroupName") and cache.get("subnetGroupName") != "default":
        return None
    return "set subnet_group_name"
