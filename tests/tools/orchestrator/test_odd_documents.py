"""Every file that others write may be damaged or have any shape: a reader returns a value, or one kind of error."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.support.locks import lock_text
from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.contracts.compatibility import against_environment
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.contract_schema import ContractSchema
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.render import plan as render_plan
from tools.orchestrator.repository.stack_files import require_readable, settings_in_file
from tools.orchestrator.run import journal, plan, status
from tools.orchestrator.state import checkpoints, locks

Json = Any
LONG_NUMBER = "(longer than Python converts)"
NUMBERS = st.integers() | st.floats() | st.sampled_from([-5, 0, 2**31, 2**63])
TEXTS = st.text() | st.sampled_from(
    [LONG_NUMBER, "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def places(value: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every part of a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, part in items for found in places(part, (*path, key)))]


def replaced(document: Json, path: tuple[Any, ...], value: Json) -> Json:
    """Return the document with another value at a place."""
    if not path:
        return value
    copy = document.copy()
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy


def variants(document: Json) -> st.SearchStrategy[Json]:
    """Return documents that differ from a valid one in one place."""
    return st.builds(replaced, st.just(document), st.sampled_from(places(document)), VALUES)


def as_json(document: Json) -> str:
    return json.dumps(document).replace(f'"{LONG_NUMBER}"', "9" * 5000)


STACK = "pulumi:pulumi:Stack"
REFERENCE = {"type": "pulumi:pulumi:StackReference", "urn": "a::r", "id": "organization/shop-vault/dev"}
OUTPUTS = {"contract_version": 1, "name": "x"}
BUCKET = {"type": "aws:s3/bucket:Bucket", "urn": "a::b", "id": "b", "inputs": {}, "protect": True, "custom": True}
PENDING = {"type": "creating", "resource": BUCKET}
RESOURCES = [{"type": STACK, "urn": "a::s", "outputs": OUTPUTS}, REFERENCE, BUCKET]
ENCRYPTED = {"secrets_providers": {"type": "cloud", "state": {"url": "awskms://a"}}}
CHECKPOINT = {"checkpoint": {"latest": {"resources": RESOURCES, "pending_operations": [PENDING], **ENCRYPTED}}}
LOCK = json.loads(lock_text())
STEP = {"op": "delete", "type": "t", "name": "n", "keys": ["a"], "protected": False, "stateful": True}
PLAN = {"env": "dev", "layers": {"base": {"steps": [STEP], "outputs": {"name": "a -> b"}}}}
RUN = {
    "verb": "deploy-all",
    "env": "dev",
    "user": "aiko",
    "host": LOCK["host"],
    "pid": LOCK["pid"],
    "began": datetime.now(UTC).isoformat(),
    "ended": None,
    "result": "running",
    "wanted": ["base", "store"],
    "plan": PLAN,
    "layers": {"base": {"action": "up", "status": "running", "began": datetime.now(UTC).isoformat(), "changes": {}}},
}
HISTORY = [{"kind": "update", "result": "failed", "endTime": "2026-01-01T00:00:00.000Z", "environment": {"a": "b"}}]


def workspace_in(root: Path) -> Workspace:
    """Return a workspace whose engine prints the file `history`."""
    engine = root / "pulumi"
    if not engine.exists():
        engine.write_text(f"#!/bin/sh\ncat {root}/history\n")
        engine.chmod(0o755)
        make_monorepo(root)
    return make_workspace(make_monorepo(root), engine=root)


def read_checkpoint(workspace: Workspace) -> None:
    snapshot = checkpoints.read_snapshot(workspace, everywhere=True)
    for stack in snapshot.stacks.values():
        assert [
            stack.size,
            stack.pending,
            stack.is_deployed,
            stack.outputs,
            stack.references,
            stack.protected,
            stack.health,
            stack.secrets_provider,
        ]
    against_environment({"base": ContractSchema(version=1)}, lambda *_: (), workspace)


def read_status(workspace: Workspace) -> None:
    found = status.status(workspace, checkpoints.read_snapshot(workspace))
    assert [found.next_steps, found.layers]


def read_plan(workspace: Workspace) -> None:
    loaded = plan.load(workspace.monorepo.root / "plan.json")
    render_plan.show(loaded, Console(file=StringIO()))


def read_locks(workspace: Workspace) -> None:
    assert [str(lock) for lock in locks.stack_locks(workspace).values()]
    locks.require_unlocked(workspace)


CASES: dict[str, tuple[str, Json, Callable[[Workspace], object]]] = {
    "checkpoint": (
        "state/.pulumi/stacks/shop-base/dev.json",
        CHECKPOINT,
        read_checkpoint,
    ),
    "run": (".shop/runs/1-up-dev/run.json", RUN, read_status),
    "environment lock": ("state/.shop/locks/dev.json", LOCK, read_status),
    "stack lock": ("state/.pulumi/locks/organization/shop-base/dev/1.json", LOCK, read_locks),
    "history": ("history", HISTORY, read_status),
    "plan": ("plan.json", PLAN, read_plan),
}


@pytest.mark.parametrize(("name", "document", "read"), CASES.values(), ids=CASES)
def test_a_document_of_any_shape_is_read_or_refused_in_a_sentence(
    tmp_path: Path, name: str, document: Json, read: Callable[[Workspace], object]
) -> None:
    workspace = workspace_in(tmp_path)
    (tmp_path / "history").write_text(json.dumps(HISTORY))
    stack = tmp_path / "state/.pulumi/stacks/shop-base/dev.json"
    stack.parent.mkdir(parents=True)
    stack.write_text(json.dumps({"checkpoint": {"latest": {"resources": [BUCKET]}}}))
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(variants(document).map(as_json) | st.text())
    def read_any(text: str) -> None:
        path.write_text(text, errors="surrogatepass")
        try:
            read(workspace)
        except OrchestratorError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 (it may be raised or not)

    read_any()


STACK_FILE = {"config": {"aws:region": "x", "size": 1, "tags": {"a": ["b"]}}, "encryptionsalt": "v1"}


def test_a_stack_file_of_any_shape_is_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    monorepo = make_monorepo(tmp_path)

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(variants(STACK_FILE).map(as_json) | VALUES.map(yaml.safe_dump) | st.text())
    def read_any(text: str) -> None:
        monorepo.stack_file("base", "dev").write_text(text, errors="surrogatepass")
        try:
            require_readable(monorepo, "dev")
            found = settings_in_file(monorepo, "base", "dev")
        except OrchestratorError as error:
            assert str(error).startswith("projects/base/Pulumi.dev.yaml")  # noqa: PT017 (it may be raised or not)
            assert len(str(error).splitlines()) == 1  # noqa: PT017 (as above)
        else:
            assert json.dumps(found)

    read_any()


def test_what_pulumi_login_wrote_is_named_if_it_cannot_be_read(tmp_path: Path) -> None:
    workspace = make_workspace(make_monorepo(tmp_path), PULUMI_BACKEND_URL="", PULUMI_HOME=str(tmp_path))
    (tmp_path / "credentials.json").write_text("[]")
    with pytest.raises(OrchestratorError, match=r"credentials\.json is not a file of pulumi login .*; log in again"):
        assert workspace.backend


def test_last_run_ignores_a_process_and_a_time_that_cannot_be(tmp_path: Path) -> None:
    monorepo = make_monorepo(tmp_path)
    for number, change in enumerate(
        ({"pid": -5}, {"began": "9999-12-31T23:59:59Z"}, {"began": "2026-01-01T00:00:00"})
    ):
        path = journal.runs_folder(monorepo) / f"{number}-up-dev/run.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(RUN | change))
    assert journal.last_run(monorepo, "dev") is None
