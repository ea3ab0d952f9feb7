"""Is the code of the function that the program declares."""

import os
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the event, a variable and what is in the code; for a mapping, that all records are done."""
    code = Path("serial.txt").read_text(encoding="utf-8")
    return {} if "Records" in event else {**event, "variable": os.environ["SERIAL"], "code": code}
