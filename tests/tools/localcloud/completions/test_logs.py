"""Tests what is added to CloudWatch Logs."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.emulator import client

pytestmark = pytest.mark.local


@pytest.fixture
def logs(port: int) -> Any:
    return client("logs", port)


def described(logs, name: str) -> dict[str, Any]:
    return dict(logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0])


def test_the_key_of_a_log_group_changes(logs) -> None:
    logs.create_log_group(logGroupName="keyed")
    logs.associate_kms_key(logGroupName="keyed", kmsKeyId="key")
    assert described(logs, "keyed")["kmsKeyId"] == "key"
    logs.disassociate_kms_key(resourceIdentifier=described(logs, "keyed")["arn"])
    assert "kmsKeyId" not in described(logs, "keyed")


def test_a_protected_log_group_is_not_deleted(logs) -> None:
    logs.create_log_group(logGroupName="protected", deletionProtectionEnabled=True)
    assert described(logs, "protected")["deletionProtectionEnabled"]
    with pytest.raises(ClientError, match="Deletion protection is enabled"):
        logs.delete_log_group(logGroupName="protected")
    logs.put_log_group_deletion_protection(logGroupIdentifier="protected", deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName="protected")


def test_a_data_protection_policy_is_kept_until_it_is_deleted(logs) -> None:
    logs.create_log_group(logGroupName="masked")
    logs.put_data_protection_policy(logGroupIdentifier="masked", policyDocument="{}")
    assert logs.get_data_protection_policy(logGroupIdentifier="masked")["policyDocument"] == "{}"
    assert described(logs, "masked")["dataProtectionStatus"] == "ACTIVATED"
    logs.delete_data_protection_policy(logGroupIdentifier="masked")
    assert "policyDocument" not in logs.get_data_protection_policy(logGroupIdentifier="masked")
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_data_protection_policy(logGroupIdentifier="none")


def test_a_query_is_saved_changed_and_deleted(logs) -> None:
    made = logs.put_query_definition(name="q/first", queryString="fields @message")["queryDefinitionId"]
    logs.put_query_definition(name="q/second", queryString="stats count()", queryDefinitionId=made)
    (found,) = logs.describe_query_definitions(queryDefinitionNamePrefix="q/")["queryDefinitions"]
    assert (found["queryDefinitionId"], found["name"]) == (made, "q/second")
    assert logs.delete_query_definition(queryDefinitionId=made)["success"]
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.delete_query_definition(queryDefinitionId=made)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.put_query_definition(queryDefinitionId=made, name="q", queryString="fields @message")
