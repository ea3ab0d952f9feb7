"""Builds the `Monorepo` of this repository for the orchestrator."""

from collections.abc import Collection
from functools import partial
from ipaddress import IPv4Network

from shared.environments import PROJECTS, REAL, environment
from shared.graph import APPLICATION_OUTPUTS, LAYERS, PRODUCT
from shared.names import Names
from shared.resource_types import DELETED_UNUSED, STATEFUL
from tools.localcloud.lifecycle import LocalCloud
from tools.orchestrator.model.monorepo import Layer, Monorepo
from tools.txmon import layers, outputs_lock

ROOT = PROJECTS.parent
LOCAL_CLOUD = LocalCloud(ROOT / ".local")


def free_network(taken: Collection[str]) -> str:
    """Return the first /16 of 10.0.0.0/8 that overlaps none of the VPCs of other environments."""
    used = [IPv4Network(each) for each in taken]
    offered = IPv4Network("10.0.0.0/8").subnets(new_prefix=16)
    return str(next(each for each in offered if not any(each.overlaps(other) for other in used)))


def _account_fault(env: str, region: str) -> str | None:
    from tools.txmon.trail import trail_fault  # noqa: PLC0415 (imports boto3)

    return trail_fault(env, region)


MONOREPO = Monorepo(
    root=ROOT,
    product=PRODUCT,
    layers={
        name: Layer(
            name=name,
            owner=info.owner,
            summary=info.summary,
            reads=info.reads,
            config=partial(layers.config_class, name),
            contract=partial(layers.contract_outputs, name),
            output_readers=partial(outputs_lock.locked_readers, name),
        )
        for name, info in LAYERS.items()
    },
    environment=environment,
    declared_environments=[known.name for known in REAL],
    check_name=Names,
    local_cloud=LOCAL_CLOUD,
    application_outputs=APPLICATION_OUTPUTS,
    stateful_types=STATEFUL,
    deleted_unused_types=DELETED_UNUSED,
    required_if_protected={"monitoring": "subscriptions"},
    account_fault=_account_fault,
    unlike_others={"network": ("vpcCidr", free_network)},
    not_copied=[("data", "restoreFrom"), ("processing", "operatorAccess")],  # others' data, and a way to it
    policy_pack=ROOT / "shared" / "policies" / "pack",
    preload="tools.txmon.preload",
)
