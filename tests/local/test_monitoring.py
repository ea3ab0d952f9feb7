"""Who is told, and of which calls, as the local cloud's SNS and EventBridge see it."""

import json
import shlex

import pytest

pytestmark = pytest.mark.local

TEAM = {"protocol": "email", "endpoint": "shop-team@example.com"}
PAGER = {"protocol": "sms", "endpoint": "+819012345678", "paging": True}
BOSS = {"protocol": "email", "endpoint": "boss@example.com"}


@pytest.fixture(scope="module")
def deployed(clone):  # noqa: ANN201 (a clone, as the fixture it is made of)
    """The local environment, deployed."""
    done = clone.inv("deploy-all")
    assert done.code == 0, done.said
    return clone


def tell(clone, *subscriptions: dict) -> dict[str, str]:
    """Deploy monitoring with these subscriptions; what SNS has then, as subscription ARN by endpoint."""
    value = shlex.quote(json.dumps(subscriptions))
    told = clone.shell(f"pulumi config set -s local --cwd projects/monitoring --secret subscriptions {value}")
    assert told.code == 0, told.said
    done = clone.inv("up", "monitoring")
    assert done.code == 0, done.said
    topic = clone.outputs()["monitoring"]["alerts_topic_arn"]
    found = clone.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    return {each["Endpoint"]: each["SubscriptionArn"] for each in found}


def test_the_removal_of_a_subscriber_leaves_the_others(deployed) -> None:
    before = tell(deployed, TEAM, PAGER, BOSS)
    assert before.keys() == {each["endpoint"] for each in (TEAM, PAGER, BOSS)}
    after = tell(deployed, PAGER, BOSS)
    assert after == {endpoint: arn for endpoint, arn in before.items() if endpoint != TEAM["endpoint"]}
    assert tell(deployed, BOSS, PAGER) == after
    assert tell(deployed) == {}


def test_addresses_in_plain_text_are_refused_before_anything_is_created(deployed) -> None:
    with deployed.settings("monitoring", subscriptions=[TEAM]):
        done = deployed.inv("preview", "monitoring")
    assert done.code == 1
    assert "Pulumi.local.yaml: subscriptions: addresses are secrets" in done.said
    assert "pulumi config set --secret subscriptions" in done.said
    assert TEAM["endpoint"] not in done.said
