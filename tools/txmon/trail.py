"""Finds out whether CloudTrail records what monitoring's event rules wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.txmon.aws_errors import aws_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import boto3

CREATE: Final = (
    "aws cloudtrail create-trail --name management-events --is-multi-region-trail --s3-bucket-name BUCKET, then "
    "aws cloudtrail start-logging --name management-events"
)


def trail_fault(env: str, region: str, session: boto3.Session | None = None) -> str | None:
    """Return why EventBridge does not receive API calls, and the command that mends it; None if it does.

    It receives those that a trail with management events logs, read-only ones included (EventBridge User Guide, "AWS
    service events delivered via AWS CloudTrail").

    Raises:
        OrchestratorError: AWS refused to tell.
    """
    with aws_errors(env):
        session = session or _session()
        trails = session.client("cloudtrail", region_name=region).describe_trails()["trailList"]
        stopped = None
        for trail in trails:
            client, name = session.client("cloudtrail", region_name=trail["HomeRegion"]), trail["TrailARN"]
            if _has_management_events(client.get_event_selectors(TrailName=name)):
                if client.get_trail_status(Name=name)["IsLogging"]:
                    return None
                stopped = f"so start its CloudTrail trail: aws cloudtrail start-logging --name {name}"
    return stopped or f"so create a CloudTrail trail with all management events of {region}: {CREATE}"


def _session() -> boto3.Session:
    import boto3  # noqa: PLC0415 (takes a quarter of a second, and only production needs it)

    return boto3.Session()


def _has_management_events(selectors: Mapping[str, Any]) -> bool:
    """Return whether a trail logs management events, both those that read and those that write."""
    basic = selectors.get("EventSelectors") or ()
    if any(each["IncludeManagementEvents"] and each["ReadWriteType"] == "All" for each in basic):
        return True
    advanced = (
        {field["Field"]: field.get("Equals", ()) for field in each["FieldSelectors"]}
        for each in selectors.get("AdvancedEventSelectors") or ()
    )
    return any("Management" in each["eventCategory"] and "readOnly" not in each for each in advanced)
