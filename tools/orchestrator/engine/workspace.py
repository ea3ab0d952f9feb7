"""One environment, ready to be worked in: its engine, its variables and, for a local one, its cloud."""

import getpass
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.environments import PROJECTS, Environment, find_environment, require_real_environments
from shared.errors import TxmonError
from shared.graph import LAYERS, project
from tools import localcloud
from tools.engine.install import Engine, find_engine
from tools.orchestrator.engine import errors, stack_file_guard
from tools.orchestrator.repository.stack_files import require_readable
from tools.orchestrator.state.folder_store import Place, Store, store_of

ROOT = PROJECTS.parent
LOCAL_HOME = ROOT / ".local"
LOOPBACK = "127.0.0.1,localhost"
CHECKSUMS = "AWS_RESPONSE_CHECKSUM_VALIDATION"
STACKS = ".pulumi/stacks"
"""Where the engine keeps the checkpoints in a backend of its own."""
CHECKPOINT = re.compile(r"(?P<stack>[^/]+/[^/]+)\.json(?P<compressed>\.gz|\.zst)?")
"""A checkpoint's path from there; it is compressed where the engine is told to."""


@dataclass(frozen=True)
class Workspace:
    """Where commands of the engine run. Every command can be repeated by hand under the same variables."""

    environment: Environment
    engine: Engine
    variables: dict[str, str]
    made: set[str] = field(default_factory=set)
    """Layers whose stack this process has made."""
    held: tuple[int, ...] = ()
    """Files that commands which outlive this process keep open."""

    @property
    def env(self) -> str:
        return self.environment.name

    def command(self, layer: str, *arguments: str) -> list[str]:
        """The engine's command line for a layer's stack."""
        return [
            str(self.engine.binary),
            *arguments,
            "--stack",
            self._stack(layer),
            "--non-interactive",
            "--cwd",
            self.folder(layer),
        ]

    def folder(self, layer: str) -> str:
        """Where the engine finds the layer's project. One that is no layer any more has none; to go it needs none."""
        return str(PROJECTS / layer if layer in LAYERS else ROOT)

    def _stack(self, layer: str) -> str:
        """The layer's stack as the engine finds it from that folder."""
        if layer in LAYERS:
            return self.env
        organization = "organization/" if self.store else ""
        return f"{organization}{project(layer)}/{self.env}"

    def shown(self, layer: str, *arguments: str) -> str:
        """The command as a person would type it."""
        cwd = ["--cwd", f"projects/{layer}"] if layer in LAYERS else []
        return " ".join(["pulumi", *arguments, "--stack", self._stack(layer), *cwd])

    @property
    def backend(self) -> str:
        """The URL of the state backend, as in `file:///…` or `s3://…`; empty if none is chosen."""
        chosen = self.process_environment().get("PULUMI_BACKEND_URL")
        return chosen or self._logged_in()

    def _logged_in(self) -> str:
        """The backend that `pulumi login` has chosen."""
        home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        try:
            return str(json.loads((home / "credentials.json").read_text()).get("current", ""))
        except (OSError, ValueError):
            return ""

    def having(self, **variables: str) -> "Workspace":
        """The same with more variables."""
        return replace(self, variables=self.variables | variables)

    def process_environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    def call(self, layer: str, *arguments: str) -> str:
        """Run a short command of the engine and give what it printed.

        Raises:
            TxmonError: the command failed.
        """
        return self._printed(self._run(*self.command(layer, *arguments)[1:]), layer)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the engine; at Ctrl-C ask it to end and wait, where `subprocess.run` would kill it."""
        with subprocess.Popen(
            [self.engine.binary, *arguments],
            env=self.process_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the runner, which passes it on once
        ) as process:
            try:
                printed, errors = process.communicate()
            except KeyboardInterrupt:
                process.send_signal(signal.SIGINT)
                process.communicate()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, printed, errors)

    def _printed(self, done: subprocess.CompletedProcess[str], layer: str) -> str:
        if done.returncode:
            raise TxmonError(errors.explain(done.stderr or done.stdout, layer, self.env))
        return done.stdout

    def stacks(self) -> dict[str, int]:
        """How many resources each stack of this environment holds, by project; foreign projects too.

        Raises:
            TxmonError: the state backend does not answer.
        """
        checkpoints = self._checkpoints(self._is_here)
        if checkpoints is not None:
            counts = {stack: len(deployment.get("resources") or ()) for stack, deployment in checkpoints.items()}
        else:
            listed = self._listed(self._is_here)
            counts = {stack: entry.get("resourceCount") or 0 for stack, entry in listed.items()}
        return {stack.partition("/")[0]: count for stack, count in counts.items()}

    def _is_here(self, stack: str) -> bool:
        """Whether a stack, as in `project/stack`, belongs to this environment."""
        return stack.endswith(f"/{self.env}")

    @cached_property
    def store(self) -> Store | None:
        """Where the state lies, if that is a folder or a bucket."""
        return store_of(self.backend)

    def _checkpoints(self, wanted: Callable[[str], bool]) -> dict[str, dict[str, Any]] | None:
        """The deployments of the wanted stacks, by `project/stack`; None if only the engine can read them.

        Checkpoints are replaced whole, in a folder and in a bucket. The engine takes a tenth of a second for each.
        """
        if self.store is None:
            return None
        files = {
            found["stack"]: (place, found["compressed"])
            for name, place in self.store.below(STACKS).items()
            if (found := CHECKPOINT.fullmatch(name)) and wanted(found["stack"])
        }
        if any(compressed for _, compressed in files.values()):
            return None
        with ThreadPoolExecutor() as pool:
            return dict(zip(files, pool.map(_deployment, (place for place, _ in files.values())), strict=True))

    def _listed(self, wanted: Callable[[str], bool]) -> dict[str, dict[str, Any]]:
        """What the engine lists of the wanted stacks, by `project/stack`."""
        listing = self._run("stack", "ls", "--all", "--json", "--non-interactive", "--cwd", str(ROOT))
        stacks = json.loads(self._printed(listing, "network"))
        named = {"/".join(stack["name"].split("/")[-2:]): stack for stack in stacks}
        return {stack: entry for stack, entry in named.items() if wanted(stack)}

    def export_all(self, *, everywhere: bool = False) -> dict[str, dict[str, Any]]:
        """The deployment of every stack of this environment, or of the whole backend, that holds something.

        By `project/stack`; what is secret in it is encrypted.

        Raises:
            TxmonError: the state backend does not answer.
        """
        wanted = (lambda _: True) if everywhere else self._is_here
        checkpoints = self._checkpoints(wanted)
        if checkpoints is not None:
            return {stack: deployment for stack, deployment in checkpoints.items() if deployment.get("resources")}
        names = {stack: entry["name"] for stack, entry in self._listed(wanted).items() if entry.get("resourceCount")}
        with ThreadPoolExecutor() as pool:
            return dict(zip(names, pool.map(self._export, names.values()), strict=True))

    def _export(self, stack: str) -> dict[str, Any]:
        done = self._run("stack", "export", "--stack", stack, "--non-interactive", "--cwd", str(ROOT))
        deployment: dict[str, Any] = json.loads(self._printed(done, stack)).get("deployment") or {}
        return deployment

    def missing_stacks(self) -> list[str]:
        """The layers that have no stack yet."""
        present = self.stacks()
        return [layer for layer in LAYERS if project(layer) not in present]

    @property
    def making(self) -> tuple[str, ...]:
        """The engine's arguments that make a stack."""
        provider = self.environment.secrets_provider
        return ("stack", "init", "--no-select", *(("--secrets-provider", provider) if provider else ()))

    def make_stacks(self, layers: Iterable[str]) -> None:
        """Make the layers' empty stacks, side by side."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.make_stack, layers))

    def make_stack(self, layer: str) -> None:
        """Make the layer's empty stack."""
        with stack_file_guard.kept(layer, self.env):
            done = self._run(*self.command(layer, *self.making)[1:])
        if "already exists" in done.stderr:
            return
        self._printed(done, layer)
        self.made.add(layer)

    def remove_made_stacks(self) -> None:
        """Take back the empty stacks that this process made."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._remove_made_stack, tuple(self.made)))

    def _remove_made_stack(self, layer: str) -> None:
        self.made.remove(layer)
        self.call(layer, "stack", "rm", "--yes", "--preserve-config")


def open_workspace(env: str, say: Callable[[str], None], port: int | None = None) -> Workspace:
    """The environment `env`, its engine found and, if it is local, its cloud running (on `port` if it is given).

    Raises:
        TxmonError: no such environment, a file of it that is broken, no engine, the local cloud does not start, or
            the variables lead to one from an environment that lives on AWS.
    """
    environment = find_environment(env)
    require_real_environments()
    require_readable(env)
    engine = find_engine(say)
    variables = {"PULUMI_SKIP_UPDATE_CHECK": "true", "PATH": engine.path(), **_past_proxies()}
    variables["USER"] = current_user()  # which an engine without cgo finds nowhere else if the system does not know
    if environment.is_local:
        variables |= _open_local_cloud(say, port)
    else:
        _require_no_local_cloud(env)
    workspace = Workspace(environment, engine, variables)
    if "endpoint=" in workspace.backend:  # a store that is not AWS's: it may answer without a checksum, engines warn
        workspace = workspace.having(**{CHECKSUMS: os.environ.get(CHECKSUMS, "when_required")})
    return workspace


def current_user() -> str:
    """The name of who runs this; the number, where the system knows no name for it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _past_proxies() -> dict[str, str]:
    """No proxy for what runs on this machine, programs, their engine and the local cloud; else as the user says.

    gRPC and boto3 ask a proxy for the loopback interface too; gRPC reads only the lower-case variable, Go the other.
    """
    given = [os.environ.get("no_proxy"), os.environ.get("NO_PROXY"), LOOPBACK]
    exempt = ",".join(dict.fromkeys(filter(None, given)))
    return {"no_proxy": exempt, "NO_PROXY": exempt}


def _require_no_local_cloud(env: str) -> None:
    """No variable leads to a local cloud instead of AWS: all would seem well, and nothing of it be in the account.

    Raises:
        TxmonError: one does, as in a shell that has evaluated `./inv local-env`.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if urlsplit(endpoint).hostname in {*LOOPBACK.split(","), "::1"}:
        raise TxmonError(
            f"this shell leads to a local cloud, as after ./inv local-env (AWS_ENDPOINT_URL={endpoint}), "
            f"and {env} lives on AWS: use another shell for it"
        )


def _open_local_cloud(say: Callable[[str], None], port: int | None) -> dict[str, str]:
    """Start this clone's local cloud if it does not run, and give the variables that lead to it.

    Raises:
        TxmonError: it does not start.
    """
    started = localcloud.start(LOCAL_HOME, port=port)
    if started.set_aside:
        say(
            f"the local cloud lost its resources (it was killed, or this clone is a copy); the local stacks that "
            f"described them were moved to "
            f"{_relative(started.set_aside)} and everything local begins anew"
        )
    return localcloud.environment(LOCAL_HOME)


def _deployment(place: Place) -> dict[str, Any]:
    found = place.read()
    try:
        return (json.loads(found.text)["checkpoint"].get("latest") or {}) if found else {}
    except (ValueError, KeyError):
        raise TxmonError(f"the state {place} cannot be read; the one before it is {place}.bak") from None


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def layer_of(owner: str) -> str | None:
    """`network` for the project `txmon-network`, a layer's or one's that was a layer; None for other products'."""
    return owner.removeprefix(project("")) if owner.startswith(project("")) else None
