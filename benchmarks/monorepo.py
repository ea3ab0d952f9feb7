"""Generates a monorepo of many small layers in a temporary folder, to see how the orchestrator scales.

The orchestrator is handed this monorepo as it is handed txmon's. The layers are plain Pulumi programs that use none
of this repository's modules.
"""

import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shared.environments import Environment, stack_file
from tools.localcloud.lifecycle import LocalCloud
from tools.orchestrator.model.monorepo import Layer, Monorepo

VERB_SECONDS = 1800
"""How long a verb over a generated monorepo may take."""
PRODUCT = "bench"
ROOT = Path(__file__).parents[1]

PROGRAM = '''"""A queue, tagged with the queues of the layers that this one reads."""

import pulumi
import pulumi_aws as aws

stack = pulumi.get_stack()
upstream = [pulumi.StackReference(f"organization/{product}-{{name}}/{{stack}}") for name in {reads!r}]
arns = pulumi.Output.all(*(each.get_output("queue_arn") for each in upstream))
reads = arns.apply(lambda values: " ".join(map(str, values)))
queue = aws.sqs.Queue("queue", name=f"{layer}-{{stack}}", tags={{"Reads": reads}})
pulumi.export("queue_arn", queue.arn)
'''

PROJECT = """name: {project}
description: A queue
runtime:
  name: python
  options:
    virtualenv: {virtualenv}
"""

SETTINGS = """config:
  aws:region: ap-northeast-1
{salt}
"""

Graph = Mapping[str, frozenset[str]]
"""Layer -> the layers that it reads."""


class NoConfig:
    """The configuration of a layer without settings."""

    @classmethod
    def effective(cls, given: Mapping[str, Any], project: str, env: str, stack_file: str) -> dict[str, Any]:  # noqa: ARG003
        return dict(given)


class AnyOutput:
    """An output that accepts every value."""

    def fault(self, value: Any) -> str | None:  # noqa: ARG002
        return None


def monorepo_in(path: Path, graph: Graph) -> Monorepo:
    """Return the monorepo in a folder, with a local cloud of its own."""
    layers = {
        name: Layer(
            name=name,
            owner="somebody",
            reads=reads,
            config=lambda: NoConfig,
            contract=lambda: {"queue_arn": AnyOutput()},
        )
        for name, reads in graph.items()
    }
    return Monorepo(
        root=path,
        product=PRODUCT,
        layers=layers,
        environment=lambda name: Environment(name=name),
        local_cloud=LocalCloud(path / ".local"),
        application_outputs={"queue_arn": next(reversed(layers))},
    )


@dataclass(frozen=True)
class Generated:
    """A monorepo of `count` layers in the folder `path`."""

    path: Path
    count: int

    @property
    def monorepo(self) -> Monorepo:
        return monorepo_in(self.path, graph(self.count))

    def start(self, verb: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start a verb in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.run", str(self.path), str(self.count), verb, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    def run(self, verb: str, *arguments: str) -> None:
        """Run a verb to its end.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        finish(self.start(verb, *arguments))


def finish(process: "subprocess.Popen[str]") -> None:
    """Wait until a verb has ended.

    Raises:
        subprocess.CalledProcessError: it failed; `output` is what it printed.
        subprocess.TimeoutExpired: it takes too long.
    """
    printed, _ = process.communicate(timeout=VERB_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, printed)


@contextmanager
def generated(count: int) -> Iterator[Generated]:
    """Yield a monorepo of `count` layers; afterwards, stop its cloud and delete it."""
    with TemporaryDirectory(prefix=f"{PRODUCT}-{count}-layers-") as folder:
        path = Path(folder)
        write(path, graph(count))
        try:
            yield Generated(path, count)
        finally:
            LocalCloud(path / ".local").stop()


def write(path: Path, layers: Graph) -> None:
    """Write the projects of the layers to the folder `path`."""
    salt = next(
        line for line in stack_file("network", "local").read_text("utf-8").splitlines() if "encryptionsalt" in line
    )
    for layer, reads in layers.items():
        folder = path / "projects" / layer
        folder.mkdir(parents=True)
        program = PROGRAM.format(product=PRODUCT, layer=layer, reads=sorted(reads))
        (folder / "__main__.py").write_text(program, "utf-8")
        project = PROJECT.format(project=f"{PRODUCT}-{layer}", virtualenv=sys.prefix)
        (folder / "Pulumi.yaml").write_text(project, "utf-8")
        # All local environments have the same passphrase, and so the same salt.
        (folder / "Pulumi.local.yaml").write_text(SETTINGS.format(salt=salt), "utf-8")


def graph(count: int) -> dict[str, frozenset[str]]:
    """Return `count` layers in rows of about √count: the first row reads nothing, all others two of the row above."""
    width = math.isqrt(count)
    names = [f"layer{number:02}" for number in range(count)]
    return {name: _above(names, number, width) for number, name in enumerate(names)}


def _above(names: list[str], number: int, width: int) -> frozenset[str]:
    row, column = divmod(number, width)
    above = names[(row - 1) * width : row * width] if row else []
    return frozenset(above[place % width] for place in (column, column + 1)) if above else frozenset()
