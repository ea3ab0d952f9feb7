"""Environments as a table, as JSON and in sentences."""

import json

from rich.table import Table

from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.render.table import Row, table
from tools.orchestrator.repository.new_environment import Lifetime, NewEnvironment


def as_table(found: list[Lifetime]) -> Table:
    return table("environment", "lives in", "expires", "no stack file in", rows=map(_row, found))


def _row(each: Lifetime) -> Row:
    expires = f"{each.expires}{' (expired)' if each.expired else ''}" if each.expires else "never"
    style = "bold red" if each.expired else ""
    return Row((each.env, each.location, expires, ", ".join(each.without_stack_file)), style)


def as_json(found: list[Lifetime]) -> str:
    rows = [
        {
            "environment": each.env,
            "lives_in": each.location,
            "expires": each.expires and each.expires.isoformat(),
            "expired": each.expired,
            "no_stack_file_in": each.without_stack_file,
        }
        for each in found
    ]
    return json.dumps(rows, indent=2)


def creation(new: NewEnvironment, monorepo: Monorepo, name: str) -> str:
    """Return a line for each created file, for each setting that was not copied, and for the next command."""
    files = [f"made {monorepo.display(path)}" for path in new.files]
    skipped = [f"left out {key}, which is secret: set it with pulumi config set" for key in new.skipped_secrets]
    return "\n".join([*files, *skipped, f"next: ./inv deploy-all --env {name}"])
