"""Is the code of the function that the program declares."""

import os
from typing import Any


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the event and a variable; for a mapping, that all records are done."""
    return {} if "Records" in event else {**event, "serial": os.environ["SERIAL"]}
