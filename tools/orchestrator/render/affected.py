"""Affected layers as text or JSON."""

import json

from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.repository.affected import Affected

FILES_SHOWN = 3
"""How many changed files of a layer the text names."""


def as_text(found: Affected, monorepo: Monorepo) -> str:
    """Return a line for each affected layer, with the reasons, and one for each deleted layer."""
    width = max(map(len, monorepo.layers))
    lines = [f"{layer:{width}}  {_listed(reasons)}" for layer, reasons in found.reasons.items()]
    lines += [
        f"{layer} is deleted: ./inv destroy {layer} --env ENV, in each ENV that has it" for layer in found.deleted
    ]
    return "\n".join(lines) or "no layer is affected"


def _listed(reasons: list[str]) -> str:
    shown, more = reasons[:FILES_SHOWN], len(reasons) - FILES_SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def as_json(found: Affected) -> str:
    """Return `{"layers": […], "because": {…}, "deleted": […]}` on one line; CI's matrix uses `layers`."""
    return json.dumps({"layers": found.layers, "because": found.reasons, "deleted": found.deleted})
