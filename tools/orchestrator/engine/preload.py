"""Imported by the process that programs are forked from, before the first fork: what the layers' programs import.

What does not import is left out here; the program that needs it says why.
"""

import atexit
import gc
import importlib
import os
import re
from contextlib import suppress

from shared.environments import PROJECTS
from shared.graph import LAYERS

SERVICE = re.compile(r"\baws\.([a-z]\w*)\.")
"""A module of `pulumi_aws`, which loads itself when something in it is first looked for."""

atexit.register(os._exit, 0)  # what is loaded here needs no taking down, for which a pipe from ./inv would wait

gc.disable()  # nothing of it is garbage, here or in the forks: what Python's documentation of `gc.freeze` advises
for layer in LAYERS:
    for source in (PROJECTS / layer).rglob("[!_]*.py"):
        services = {f"pulumi_aws.{name}" for name in SERVICE.findall(source.read_text())}
        own = ".".join(source.relative_to(PROJECTS.parent).with_suffix("").parts)
        for module in [own, *services]:
            with suppress(Exception):
                getattr(importlib.import_module(module), "__all__", ())
gc.freeze()
gc.enable()
