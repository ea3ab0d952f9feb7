"""Nothing that the tools run may take for ever."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
WAITING = {f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output")}


def test_every_program_that_is_waited_for_has_a_time_limit() -> None:
    unlimited = [
        f"{path.relative_to(ROOT)}:{each.lineno}"
        for path in [ROOT / "tasks.py", *(ROOT / "tools").rglob("*.py")]
        for each in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(each, ast.Call) and ast.unparse(each.func) in WAITING
        if "timeout" not in {keyword.arg for keyword in each.keywords}
    ]
    assert unlimited == []
