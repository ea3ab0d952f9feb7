"""Makes a monorepo of many small layers around this repository's own runner, to see how the runner scales."""

import ast
import math
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from shared.environments import stack_file
from shared.graph import LAYERS, LayerInfo, project
from tools.orchestrator.engine.workspace import ROOT
from tools.orchestrator.repository.git import work_tree_files

CONTRACT = '''"""What {layer} exports."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pulumi import Output

from shared.contracts.contract import Contract
from shared.contracts.output_spec import OutputSpec


@dataclass(frozen=True, kw_only=True)
class {contract}(Contract):
    layer: ClassVar[str] = "{layer}"

    queue_arn: Annotated[Output[str], OutputSpec("Its queue.", "arn:aws:sqs:ap-northeast-1:123456789012:queue-dev")]
'''

PROGRAM = '''"""A queue, tagged with the queues of the layers that this one reads."""

import pulumi_aws as aws
from pulumi import Output

from shared import contracts
from shared.config import LayerConfig
from shared.stack import StackContext

stack = StackContext.current(LayerConfig.load())
upstream = [contract.read(stack) for contract in ({reads})]
queue = aws.sqs.Queue(
    stack.names.logical("queue"),
    name=f"{{stack.names.physical('dead_letter_queue')}}-{{stack.name}}",
    tags={{"Reads": Output.all(*(contract.queue_arn for contract in upstream)).apply(" ".join)}},
    opts=stack.stateful,
)
contracts.{contract}(queue_arn=queue.arn).export(stack)
'''

PROJECT = """name: {project}
description: A queue
runtime:
  name: python
  options:
    virtualenv: ../../.venv
"""

SETTINGS = """config:
  aws:region: ap-northeast-1
  {project}:protect: false
{salt}
"""


@dataclass(frozen=True)
class Monorepo:
    """A generated monorepo, with a virtualenv and a local cloud of its own."""

    path: Path
    layers: dict[str, LayerInfo]

    def start(self, verb: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start a verb as a person would, in a clean environment; the process is the runner's own."""
        return subprocess.Popen(
            [self.path / "inv", verb, *arguments],
            env={name: os.environ[name] for name in ("HOME", "PATH")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def inv(self, verb: str, *arguments: str) -> None:
        """Run a verb to its end.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        finish(self.start(verb, *arguments))


def finish(process: "subprocess.Popen[str]") -> None:
    """Wait until a verb has ended.

    Raises:
        subprocess.CalledProcessError: it failed; `output` is what it said.
    """
    said, _ = process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, said)


@contextmanager
def generated(count: int) -> Iterator[Monorepo]:
    """A monorepo of `count` layers; afterwards its cloud is stopped and nothing of it is left."""
    with TemporaryDirectory(prefix=f"txmon-{count}-layers-") as folder:
        monorepo = write(Path(folder), count)
        try:
            yield monorepo
        finally:
            monorepo.inv("local-down")


def write(path: Path, count: int) -> Monorepo:
    """Write the work tree to the folder `path`, with `count` small layers in place of its own, and commit it."""
    layers = graph(count)
    _copy_all_but_layers(path)
    _write_graph(path / "shared" / "graph.py", layers)
    _write_contracts(path / "shared" / "contracts", layers)
    for layer, info in layers.items():
        _write_project(path / "projects" / layer, layer, info)
    _commit(path)
    return Monorepo(path, layers)


def graph(count: int) -> dict[str, LayerInfo]:
    """`count` layers in rows of about √count: the first row reads nothing, all others two of the row above."""
    width = math.isqrt(count)
    names = [f"layer{number:02}" for number in range(count)]
    return {
        name: LayerInfo(owner="somebody", summary="a queue", reads=_above(names, number, width))
        for number, name in enumerate(names)
    }


def _above(names: list[str], number: int, width: int) -> frozenset[str]:
    row, column = divmod(number, width)
    above = names[(row - 1) * width : row * width] if row else []
    return frozenset(above[place % width] for place in (column, column + 1)) if above else frozenset()


def _copy_all_but_layers(path: Path) -> None:
    for name in work_tree_files():
        if not _is_layers(name):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name)


def _is_layers(name: PurePath) -> bool:
    """Whether a file belongs to one of this repository's own layers."""
    return any(name.match(f"projects/{layer}/*") or name.match(f"shared/contracts/{layer}.py") for layer in LAYERS)


def _write_graph(path: Path, layers: dict[str, LayerInfo]) -> None:
    text = _redefined(path.read_text(), "LAYERS", layers)
    path.write_text(_redefined(text, "APPLICATION_OUTPUTS", {"queue_arn": next(reversed(layers))}))


def _redefined(source: str, name: str, value: object) -> str:
    """A module's source with another value for its annotated variable `name`."""
    found = [node for node in ast.parse(source).body if isinstance(node, ast.AnnAssign)]
    node = next(node for node in found if ast.unparse(node.target) == name)
    lines = source.splitlines(keepends=True)
    lines[node.lineno - 1 : node.end_lineno] = [f"{name}: {ast.unparse(node.annotation)} = {value!r}\n"]
    return "".join(lines)


def _write_contracts(folder: Path, layers: dict[str, LayerInfo]) -> None:
    for layer in layers:
        (folder / f"{layer}.py").write_text(CONTRACT.format(layer=layer, contract=_contract(layer)))
    imports = "".join(f"from shared.contracts.{layer} import {_contract(layer)}\n" for layer in layers)
    listed = "".join(f'    "{layer}": {_contract(layer)},\n' for layer in layers)
    (folder / "__init__.py").write_text(f"{imports}\nCONTRACTS = {{\n{listed}}}\n")


def _contract(layer: str) -> str:
    return f"{layer.capitalize()}Contract"


def _write_project(folder: Path, layer: str, info: LayerInfo) -> None:
    reads = "".join(f"contracts.{_contract(need)}, " for need in sorted(info.reads))
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text(PROGRAM.format(reads=reads, contract=_contract(layer)))
    (folder / "Pulumi.yaml").write_text(PROJECT.format(project=project(layer)))
    (folder / "Pulumi.local.yaml").write_text(SETTINGS.format(project=project(layer), salt=_salt()))


def _salt() -> str:
    """The line with the salt of the local cloud's passphrase, which is the same in every stack file of `local`."""
    lines = stack_file(next(iter(LAYERS)), "local").read_text().splitlines()
    return next(line for line in lines if line.startswith("encryptionsalt:"))


def _commit(path: Path) -> None:
    """Make it a git repository: the runner and the engine ask git what they deploy."""
    somebody = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "--all"], [*somebody, "commit", "--quiet", "--message", "Begin"]):
        subprocess.run(["git", *command], cwd=path, check=True)
