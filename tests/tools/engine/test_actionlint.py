"""The linter of workflows is found or built; without one, a sentence says why."""

import re
from pathlib import Path

import pytest

from tests.support.installation import ignore, no_progress, script
from tools.engine import golang
from tools.engine.actionlint import find_actionlint
from tools.engine.errors import EngineError


def test_actionlint_on_path_is_used(cache: Path) -> None:
    script(cache.parent / "bin/actionlint", "")
    assert find_actionlint(no_progress) == cache.parent / "bin/actionlint"


def test_actionlint_in_the_cache_is_used_if_its_version_is_pinned(cache: Path) -> None:
    pins = (golang.MODULES / "actionlint/go.mod").read_text()
    [version] = re.findall(r"require github.com/rhysd/actionlint (\S+)", pins)
    script(cache / f"actionlint-{version}", "")
    assert find_actionlint(no_progress) == cache / f"actionlint-{version}"


def test_actionlint_that_cannot_be_built_is_one_sentence(cache: Path) -> None:
    script(cache / "actionlint-v1.0.0", "")
    with pytest.raises(EngineError, match=r"^there is no actionlint, and Go .* install actionlint or Go, put it on"):
        find_actionlint(ignore)
