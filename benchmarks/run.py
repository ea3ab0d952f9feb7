"""`python -m benchmarks.run FOLDER COUNT VERB [PARALLEL]`: one verb over a generated monorepo, as `./inv` runs it."""

import sys
from pathlib import Path

from rich.console import Console

from benchmarks.monorepo import graph, monorepo_in
from tools.orchestrator.cli import commands


def main(folder: str, count: str, verb: str, parallel: str = "4") -> int:
    monorepo = monorepo_in(Path(folder), graph(int(count)))
    workspace = commands.open_environment(monorepo, monorepo.environment("local"))
    terminal, layers = commands.Terminal(Console()), list(monorepo.layers)
    match verb:
        case "deploy-all":
            return commands.deploy_all(workspace, terminal, yes=True, parallel=int(parallel), layers=layers)
        case "preview-all":
            return commands.preview_all(workspace, terminal, parallel=int(parallel), layers=layers)
        case "destroy-all":
            return commands.destroy_all(workspace, terminal, yes=True, parallel=int(parallel))
    raise ValueError(verb)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
