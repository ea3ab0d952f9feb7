"""Imported by the process that programs are forked from: it imports what the layers' programs import.

A module that does not import is left out here; the program that needs it reports why.
"""

import atexit
import gc
import os

from tools.txmon.layers import load_modules

atexit.register(os._exit, 0)  # skip Python's clean-up of the modules: a pipe from ./inv would wait for it

gc.disable()  # none of the modules is garbage, here or in the forks (Python's documentation of `gc.freeze`)
load_modules()
gc.freeze()
gc.enable()
