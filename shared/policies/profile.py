"""Which stacks are held to production's rules."""

from functools import cache

from shared.environments import stack_file
from shared.graph import PRODUCT
from tools.orchestrator.repository.stack_files import written


@cache
def is_production(project: str, stack: str) -> bool:
    """Whether violations stop a deployment of this stack.

    They do, unless the stack's own file says `protect: false`: what is protected is production, and so is whatever
    nobody has declared to be destroyable. It is the one switch, so lifting an environment's protection, a change
    that its owners review, lifts this too.
    """
    layer = project.removeprefix(f"{PRODUCT}-")
    if not stack_file(layer, stack).exists():
        return True
    return str(written(layer, stack).get(f"{project}:protect", True)).lower() != "false"
