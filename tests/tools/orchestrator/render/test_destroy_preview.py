"""The preview of a destroy, as a table."""

from typing import Any

from rich.console import Console

from tools.orchestrator.model.stack import StackSnapshot
from tools.orchestrator.render.destroy_preview import show

DATABASE = "aws:rds/instance:Instance"


def resource(kind: str, inputs: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::shop-data::{kind}::thing-dev"
    return {"urn": urn, "type": kind, "custom": True, "inputs": inputs or {}} | more


def test_the_table_counts_deletes_and_names_resources_with_state_or_remains() -> None:
    resources = [
        resource("pulumi:pulumi:Stack", custom=False),
        resource("pulumi:providers:aws"),
        resource("pulumi:pulumi:StackReference", external=True),
        resource("shop:data:Redis", custom=False),
        resource("aws:sns/topic:Topic"),
        resource("aws:sns/topicPolicy:TopicPolicy", retainOnDelete=True),
        resource(DATABASE, {"skipFinalSnapshot": True}),
    ]
    console = Console(width=200, record=True)
    show([StackSnapshot("data", {"resources": resources})], [DATABASE], console)
    text = console.export_text()
    assert "to be deleted: 2 in data" in text
    rows = [line.split() for line in text.splitlines() if line.startswith("data ")]
    assert rows == [
        ["data", "aws:sns/topicPolicy:TopicPolicy", "thing-dev", "the", "resource", "itself"],
        ["data", DATABASE, "thing-dev", "nothing"],
    ]
