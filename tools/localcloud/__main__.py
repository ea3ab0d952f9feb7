"""Runs the background process: `python -m tools.localcloud serve HOME PORT`, with HOME as the working directory.

HOME is an argument so that the process is found by its command line, even if its files are lost.
"""

from __future__ import annotations

import sys

from tools.localcloud import daemon

match sys.argv[1:]:
    case ["serve", _home, port]:
        sys.exit(daemon.serve(int(port)))
    case _:
        sys.exit("usage: python -m tools.localcloud serve HOME PORT")
