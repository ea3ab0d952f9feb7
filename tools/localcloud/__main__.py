"""`python -m tools.localcloud serve HOME PORT`: the background process. `start` runs it in HOME.

It is found by HOME among the processes, whatever has become of its files.
"""

from __future__ import annotations

import sys

from tools.localcloud import daemon

match sys.argv[1:]:
    case ["serve", _home, port]:
        sys.exit(daemon.serve(int(port)))
    case _:
        sys.exit("usage: python -m tools.localcloud serve HOME PORT")
