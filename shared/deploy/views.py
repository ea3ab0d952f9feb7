"""Views on an environment: outputs, status, the doctor's findings."""

import json
import platform
import shlex
import shutil
from importlib.metadata import version
from typing import Any

from rich.table import Table
from rich.text import Text

from shared import localcloud
from shared.deploy import palette
from shared.deploy.engine import Engine
from shared.deploy.locks import stack_locks
from shared.deploy.sources import changed_since
from shared.deploy.state import LayerState, nothing_deployed, read_states
from shared.deploy.workspace import LOCAL_HOME, Workspace
from shared.layers import LAYERS


def outputs(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The outputs of every deployed layer.

    Raises:
        TxmonError: nothing is deployed.
    """
    states = read_states(workspace, LAYERS)
    found = {layer: state.outputs for layer, state in states.items() if state.is_deployed}
    if not found:
        raise nothing_deployed(workspace)
    return found


def outputs_as_env(found: dict[str, dict[str, Any]]) -> str:
    """The outputs flat, as `.env` lines: upper-case names, lists and maps as JSON."""
    flat = {name.upper(): value for layer in found.values() for name, value in layer.items()}
    flat.pop("CONTRACT_VERSION", None)  # a layer's own, of no use without its layer
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in flat.items()}
    return "\n".join(f"{name}={shlex.quote(text)}" for name, text in sorted(texts.items()))


def outputs_as_table(found: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "output", "value"):
        table.add_column(heading, no_wrap=heading != "value", overflow="fold")
    for layer, values in found.items():
        for name, value in values.items():
            table.add_row(layer, name, value if isinstance(value, str) else json.dumps(value))
    return table


def status_table(workspace: Workspace) -> Table:
    """A row a layer: condition, when, resources, what it reads, lock."""
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "status", "last update", "resources", "lock"):
        table.add_column(heading)
    locks = stack_locks(workspace)
    for layer, state in read_states(workspace, LAYERS).items():
        condition = condition_of(state, workspace.env)
        table.add_row(
            layer,
            Text(condition, palette.terminal_style(condition)),
            f"{state.last.kind} {state.last.ended}" if state.last else "",
            str(len(state.resources)),
            str(locks.get(layer, "")),
        )
    return table


def conditions(workspace: Workspace) -> dict[str, str]:
    """The condition of every layer."""
    return {layer: condition_of(state, workspace.env) for layer, state in read_states(workspace, LAYERS).items()}


def condition_of(state: LayerState, env: str) -> str:
    """`never`, `destroyed`, `ok`, `changed since`, `failed` or `interrupted`."""
    if state.condition == "ok" and state.last and changed_since(state.last, state.layer, env):
        return "changed since"
    return state.condition


def doctor_table(engine: Engine) -> Table:
    """What is here: Python, engine, packages, local cloud."""
    cloud = localcloud.status(LOCAL_HOME)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("python", platform.python_version())
    table.add_row("engine", f"{engine.version} {engine.origin} ({engine.folder})")
    for package in ("pulumi", "pulumi-aws", "ministack"):
        table.add_row(package, version(package))
    table.add_row("go", shutil.which("go") or "not on PATH (only needed to build the engine)")
    running = f"at {cloud.endpoint} since {cloud.started} (process {cloud.pid})" if cloud else "not running"
    table.add_row("local cloud", running)
    provider = localcloud.chosen_provider(LOCAL_HOME)
    table.add_row("its provider", f"{provider}: {localcloud.PROVIDERS[provider]}")
    return table


def gaps_table() -> Table:
    """What the local cloud's emulator loses or lacks, and what is done about it."""
    table = Table(box=None, pad_edge=False, title="what the local cloud does not really do", title_justify="left")
    for heading in ("resource: property", "reason"):
        table.add_column(heading, overflow="fold")
    for gap in localcloud.gaps():
        table.add_row(gap.subject, gap.reason)
    return table
