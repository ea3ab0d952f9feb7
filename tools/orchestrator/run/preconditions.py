"""What has to be true before a layer is changed; each check raises one sentence that names the remedy."""

from collections.abc import Collection, Iterable, Iterator

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Environment, Monorepo
from tools.orchestrator.model.stack import Snapshot, StackHealth, StackSnapshot
from tools.orchestrator.repository.settings import effective
from tools.orchestrator.repository.stack_files import secrets_provider_in_file, settings_in_file
from tools.orchestrator.state.checkpoints import with_last_updates


def require_upstreams(workspace: Workspace, snapshot: Snapshot, layers: Collection[str]) -> None:
    """Check that every layer which one of `layers` reads, and which is not one of them, is deployed and complete.

    Raises:
        OrchestratorError: such a layer is missing, failed, or lacks an output of its contract.
    """
    upstreams = workspace.monorepo.upstreams_outside(layers)
    snapshot = with_last_updates(workspace, snapshot, upstreams)
    for name, readers in upstreams.items():
        stack = snapshot.stack(name)
        fault = _upstream_fault(workspace, stack)
        if fault:
            raise OrchestratorError(
                f"{', '.join(readers)} read{'' if len(readers) > 1 else 's'} {name}, {fault}: "
                f"./inv {stack.remedies[0]} {name} --env {workspace.env}"
            )


def _upstream_fault(workspace: Workspace, stack: StackSnapshot) -> str | None:
    if not stack.is_deployed:
        return "which is not deployed"
    if stack.health is not StackHealth.OK:
        return f"whose {stack.fault}"
    missing = sorted(workspace.monorepo.layers[stack.name].contract().keys() - stack.outputs.keys())
    if missing:
        return f"which lacks the output{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
    return None


def require_secrets_provider(workspace: Workspace, snapshot: Snapshot) -> None:
    """Check that every stack's secrets are encrypted with the environment's secrets provider, if it names one.

    The engine obeys the stack file, else the state, and compares neither with anything.

    Raises:
        OrchestratorError: names a layer with another provider, and the command that changes it.
    """
    wanted, monorepo, env = workspace.environment.secrets_provider, workspace.monorepo, workspace.env
    for layer in monorepo.layers if wanted else ():
        file = monorepo.stack_file(layer, env)
        in_file = secrets_provider_in_file(monorepo, layer, env) if file.exists() else None
        for where, provider in (
            (monorepo.display(file), in_file),
            ("the state", snapshot.stack(layer).secrets_provider),
        ):
            if provider not in (None, wanted):
                change = workspace.display_command(layer, "stack", "change-secrets-provider", f"'{wanted}'")
                raise OrchestratorError(
                    f"{layer} encrypts its secrets with {provider}, as {where} says, and REAL in "
                    f"shared/environments.py gives {env} {wanted}: {change}"
                )


def require_facts(workspace: Workspace) -> None:
    """Check that a protected environment on AWS is described, that somebody hears of its alarms, and its account.

    Without an account id, a deployment with the wrong credentials would go into the wrong account.

    Raises:
        OrchestratorError: names what is missing, and where to write it.
    """
    environment, monorepo = workspace.environment, workspace.monorepo
    if environment.is_local or not any(_protects(monorepo, layer, environment.name) for layer in monorepo.layers):
        return
    missing = [*_missing_facts(environment), *_missing_settings(monorepo, environment.name)]
    if missing:
        raise OrchestratorError(f"{environment.name} is protected, so add {'; and add '.join(missing)}")
    regions = {settings_in_file(monorepo, layer, environment.name).get("aws:region") for layer in monorepo.layers}
    for region in sorted(filter(None, regions)):
        if fault := monorepo.account_fault(environment.name, region):
            raise OrchestratorError(f"{environment.name} is protected, {fault}")


def _missing_facts(environment: Environment) -> Iterator[str]:
    examples = {"account_id": "123456789012", "secrets_provider": "awskms://alias/…", "backend": "s3://…"}
    lacking = [f'{name}="{example}"' for name, example in examples.items() if not getattr(environment, name)]
    if lacking:
        yield f'Environment(name="{environment.name}", {", ".join(lacking)}) to REAL in shared/environments.py'


def _missing_settings(monorepo: Monorepo, env: str) -> Iterator[str]:
    for layer, setting in monorepo.required_if_protected.items():
        if f"{monorepo.project(layer)}:{setting}" not in settings_in_file(monorepo, layer, env):
            file = monorepo.display(monorepo.stack_file(layer, env))
            yield f"{setting} to {file}, as projects/{layer}/README.md shows"


def _protects(monorepo: Monorepo, layer: str, env: str) -> bool:
    if not monorepo.stack_file(layer, env).exists():
        return False
    return bool(effective(monorepo, layer, env)[f"{monorepo.project(layer)}:protect"])


def require_no_pending_operations(workspace: Workspace, snapshot: Snapshot) -> None:
    """Check that no update of a layer was killed, by a run of this clone, of another one or of plain pulumi.

    Raises:
        OrchestratorError: names the layers, their pending operations and what resolves them.
    """
    stacks = [snapshot.stack(layer) for layer in workspace.monorepo.layers]
    pending = {stack.name: stack.pending for stack in stacks if stack.is_deployed and stack.pending}
    if pending:
        stopped = "; ".join(f"{layer} was stopped while {', '.join(names)}" for layer, names in pending.items())
        which = "all" if len(pending) > 1 else next(iter(pending))
        raise OrchestratorError(
            f"{stopped}; unknown whether AWS completed it: ./inv unlock {which} --env {workspace.env} resolves it"
        )


def require_no_other_readers(
    workspace: Workspace, snapshot: Snapshot, layers: Collection[str]
) -> dict[str, set[str]]:
    """Check that no deployed stack outside of `layers` reads one of them; return the readers of each layer.

    The snapshot has to cover the whole backend: stacks of other products may read a layer, too.

    Raises:
        OrchestratorError: names the readers.
    """
    monorepo = workspace.monorepo
    found = readers(workspace, snapshot, layers)
    for layer in layers:
        others = found[layer] - set(layers)
        if others:
            ordered = [*monorepo.removed_layers(others), *reversed(monorepo.deploy_order)]
            known = [name for name in ordered if name in others]
            foreign = sorted(others - set(known))
            remedy = f"./inv destroy {known[0]} --env {workspace.env}" if known else f"destroy the stack {foreign[0]}"
            named = known + foreign
            raise OrchestratorError(
                f"{layer} is still read by {', '.join(named)}, which {'are' if len(named) > 1 else 'is'} deployed: "
                f"{remedy} first"
            )
    return found


def readers(workspace: Workspace, snapshot: Snapshot, layers: Iterable[str]) -> dict[str, set[str]]:
    """Return layer -> the deployed stacks that read it, by layer or else by `project/stack`."""
    return {layer: snapshot.readers(f"{workspace.monorepo.project(layer)}/{workspace.env}") for layer in layers}


def require_unprotected(workspace: Workspace, stacks: Iterable[StackSnapshot]) -> None:
    """Check that no resource of these layers is protected.

    Raises:
        OrchestratorError: names the layers and how their protection is lifted.
    """
    protected = {stack.name: stack.protected for stack in stacks if stack.protected}
    if protected:
        counted = ", ".join(f"{len(names)} in {layer}" for layer, names in protected.items())
        raise OrchestratorError(
            f"{workspace.env} is protected ({counted}) and nothing was deleted; to destroy it, set "
            f"{workspace.monorepo.project('LAYER')}:protect: false in projects/LAYER/Pulumi.{workspace.env}.yaml of "
            f"{', '.join(protected)}, ./inv deploy-all --env {workspace.env}, then destroy again"
        )
