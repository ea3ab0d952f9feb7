"""Imported by the process that programs are forked from, before the first fork: loads every layer's modules.

What does not import is left out here; the program that needs it says why.
"""

import importlib
import pkgutil
from contextlib import suppress

from shared.layers import LAYERS

for layer in LAYERS:
    with suppress(Exception):
        package = importlib.import_module(f"projects.{layer}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
