"""When the account's trails let EventBridge hear of API calls."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.trail import trail_fault

HERE = "ap-northeast-1"
ALL = {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "All"}]}
ADVANCED = {"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]}
WRITES = {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "WriteOnly"}]}
DATA = {"EventSelectors": [{"IncludeManagementEvents": False, "ReadWriteType": "All"}]}
ADVANCED_WRITES = {
    "AdvancedEventSelectors": [
        {
            "FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Management"]},
                {"Field": "readOnly", "Equals": ["false"]},
            ]
        }
    ]
}


class Account:
    """A session of an account with trails: their selectors, and whether they log."""

    def __init__(self, *trails: tuple[dict[str, Any], bool]) -> None:
        self.trails = {f"trail-{number}": trail for number, trail in enumerate(trails)}

    def client(self, _: str, *, region_name: str) -> Any:
        assert region_name in {HERE, "eu-west-1"}
        return self

    def describe_trails(self) -> dict[str, Any]:
        return {"trailList": [{"TrailARN": name, "HomeRegion": "eu-west-1"} for name in self.trails]}

    def get_event_selectors(self, TrailName: str) -> dict[str, Any]:  # noqa: N803 (boto3's name)
        return self.trails[TrailName][0]

    def get_trail_status(self, Name: str) -> dict[str, Any]:  # noqa: N803 (boto3's name)
        return {"IsLogging": self.trails[Name][1]}


@pytest.mark.parametrize("selectors", [ALL, ADVANCED])
def test_a_trail_that_logs_all_management_events_is_enough(selectors: dict[str, Any]) -> None:
    assert trail_fault("prod", HERE, Account((DATA, True), (selectors, True))) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("selectors", [WRITES, DATA, ADVANCED_WRITES])
def test_a_trail_without_some_management_events_is_not_enough(selectors: dict[str, Any]) -> None:
    fault = trail_fault("prod", HERE, Account((selectors, True)))  # type: ignore[arg-type]
    assert fault
    assert fault.startswith("so create a CloudTrail trail with all management events of ap-northeast-1: aws ")


def test_a_trail_that_does_not_log_has_to_be_started() -> None:
    fault = trail_fault("prod", HERE, Account((ALL, False)))  # type: ignore[arg-type]
    assert fault == "so start its CloudTrail trail: aws cloudtrail start-logging --name trail-0"


def test_a_refusal_to_tell_is_one_sentence() -> None:
    class Refusing(Account):
        def describe_trails(self) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeTrails")

    with pytest.raises(OrchestratorError, match=r"^AWS refused DescribeTrails: no"):
        trail_fault("prod", HERE, Refusing())  # type: ignore[arg-type]
