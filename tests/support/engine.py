"""A stand-in for the engine: a shell script that keeps the stacks' checkpoints and succeeds at everything else."""

import json
from pathlib import Path
from typing import Any

from tools.orchestrator.engine.workspace import Workspace

SCRIPT = """#!/bin/sh
for word; do last=$word; done
layer=$(basename "$last")
env=$(echo "$*" | sed 's/.*--stack \\([^ ]*\\).*/\\1/')
checkpoint="${PULUMI_BACKEND_URL#file://}/.pulumi/stacks/shop-$layer/$env.json"
echo "$*" >> "$(dirname "$0")/calls"
case "$*" in
"stack init"*) mkdir -p "$(dirname "$checkpoint")"; echo '{"checkpoint": {}}' > "$checkpoint" ;;
"stack rm"*) rm "$checkpoint" ;;
"stack history"*) echo '[{"kind": "update", "result": "succeeded", "endTime": "2026-01-02T03:04:05Z"}]' ;;
"stack export"*) echo '{"deployment": {}}' ;;
*) echo '{"sequence": 1, "summaryEvent": {"resourceChanges": {}}}' ;;
esac
"""


def make_engine(folder: Path) -> Path:
    """Write the stand-in to a new folder `engine` in `folder` and return it."""
    engine = folder / "engine"
    engine.mkdir()
    (engine / "pulumi").write_text(SCRIPT)
    (engine / "pulumi").chmod(0o755)
    return engine


def calls(engine: Path) -> list[str]:
    """Return the arguments of each command that the stand-in has run."""
    log = engine / "calls"
    return log.read_text().splitlines() if log.exists() else []


def write_checkpoint(workspace: Workspace, stack: str, resources: list[Any], suffix: str = "", **more: Any) -> Path:
    """Write the checkpoint of `project/stack` to the folder that keeps the state, and return its path.

    A resource has a type and a URN unless the test gives them.
    """
    path = Path(workspace.backend.removeprefix("file://")) / f".pulumi/stacks/{stack}.json{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    complete = [{"type": "t", "urn": "a::b"} | resource for resource in resources]
    path.write_text(json.dumps({"version": 3, "checkpoint": {"latest": {"resources": complete} | more}}))
    return path
