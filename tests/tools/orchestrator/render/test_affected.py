"""Affected layers, as text and as JSON."""

import json

from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.render.affected import as_json, as_text
from tools.orchestrator.repository.affected import Affected


def test_text_and_json_agree(monorepo: Monorepo) -> None:
    found = Affected({"store": ["a", "b", "c", "d"], "watch": ["depends on store"]}, ["archive"])
    assert as_text(found, monorepo).splitlines() == [
        "store  a, b, c and 1 more",
        "watch  depends on store",
        "archive is deleted: ./inv destroy archive --env ENV, in each ENV that has it",
    ]
    assert json.loads(as_json(found)) == {
        "layers": ["store", "watch"],
        "because": found.reasons,
        "deleted": ["archive"],
    }
    assert "\n" not in as_json(found)
    assert as_text(Affected({}, []), monorepo) == "no layer is affected"
