"""`python -m shared.localcloud serve HOME PORT`: the background process. `start` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

from shared.localcloud import daemon

match sys.argv[1:]:
    case ["serve", home, port]:
        sys.exit(daemon.serve(Path(home), int(port)))
    case _:
        sys.exit("usage: python -m shared.localcloud serve HOME PORT")
