"""The linter of GitHub workflows. Its package on PyPI downloads it from GitHub; the Go module proxy has it, too."""

import re
import shutil
from pathlib import Path

from tools.engine import golang
from tools.engine.golang import OnProgress, cache

PACKAGE = "github.com/rhysd/actionlint/cmd/actionlint"


def find_actionlint(on_progress: OnProgress) -> Path:
    """Return actionlint: from PATH, from the cache, or built once. `on_progress` receives a line for each long step.

    Raises:
        EngineError: there is none, and none can be built.
    """
    on_path = shutil.which("actionlint")
    if on_path:
        return Path(on_path)
    [version] = re.findall(r"rhysd/actionlint (v\S+)", (golang.MODULES / "actionlint" / "go.mod").read_text("utf-8"))

    def build(target: Path) -> None:
        go = golang.compiler("actionlint", on_progress)
        golang.build(go, PACKAGE, "-s -w", target, on_progress)

    return golang.installed(cache() / f"actionlint-{version}", build)
