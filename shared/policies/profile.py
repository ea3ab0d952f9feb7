"""Which stacks are held to production's rules."""

from functools import cache

import yaml

from shared.environments import stack_file
from shared.layers import PRODUCT


@cache
def is_production(project: str, stack: str) -> bool:
    """Whether violations stop a deployment of this stack.

    They do, unless the stack's own file says `protect: false`: what is protected is production, and so is whatever
    nobody has declared to be destroyable. It is the one switch, so lifting an environment's protection, a change
    that its owners review, lifts this too.
    """
    layer = project.removeprefix(f"{PRODUCT}-")
    path = stack_file(layer, stack)
    if not path.exists():
        return True
    config = (yaml.safe_load(path.read_text()) or {}).get("config") or {}
    return str(config.get(f"{project}:protect", True)).lower() != "false"
