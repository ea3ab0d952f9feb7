"""A plan as a table."""

from rich.console import Console

from tools.orchestrator.model.operation import Step
from tools.orchestrator.model.plan import Plan, PlannedLayer
from tools.orchestrator.render.plan import show

VPC = Step("replace", "aws:ec2/vpc:Vpc", "vpc-local", ("cidrBlock",), protected=True, stateful=True)
RULE = Step("delete", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "rds-from-consumer-local")
STREAM = Step("update", "aws:kinesis/stream:Stream", "kinesis-stream-local", ("retentionPeriod",), protected=True)


def shown(**layers: PlannedLayer) -> str:
    console = Console(width=200, no_color=True, markup=False)  # as the verbs print
    with console.capture() as captured:
        show(Plan(env="local", layers=layers), console)
    return captured.get()


def test_losses_are_shown_first_and_lost_state_before_all_else() -> None:
    text = shown(
        streaming=PlannedLayer(steps=[STREAM], outputs={}), network=PlannedLayer(steps=[RULE, VPC], outputs={})
    )
    assert text.startswith("2 resources would be replaced or deleted, 1 of them with the state they hold:")
    assert text.index("vpc-local") < text.index("rds-from-consumer-local") < text.index("kinesis-stream-local")
    assert "cidrBlock" in text


def test_a_loss_says_whether_the_resource_is_protected() -> None:
    text = shown(network=PlannedLayer(steps=[VPC, STREAM], outputs={}))
    assert "vpc-local (protected)" in text
    assert text.count("(protected)") == 1


def test_changed_outputs_follow_the_steps() -> None:
    text = shown(
        network=PlannedLayer(steps=[], outputs={"vpc_id": "vpc-1 -> known after the deploy"}),
        streaming=PlannedLayer(steps=[STREAM], outputs={"ids": "['a'] -> ['b']"}),
    )
    assert text.splitlines()[2:] == [
        "network output vpc_id: vpc-1 -> known after the deploy",
        "streaming output ids: ['a'] -> ['b']",
    ]
    assert "would be replaced" not in text


def test_a_plan_without_changes_prints_nothing() -> None:
    assert shown(network=PlannedLayer(steps=[], outputs={})) == ""
