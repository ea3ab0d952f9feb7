"""Where the engine's commands run: the environment, the engine, and the variables that it gets.

The Automation API's workspaces know one project and hide the command line; the orchestrator shows each command so
that a person can repeat it, and runs many projects side by side.
"""

import getpass
import os
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, TypeAdapter

from tools.engine.install import Engine
from tools.orchestrator.engine import children, errors
from tools.orchestrator.engine.stack_file_copy import StackFileCopy, stack_file_copy
from tools.orchestrator.model.document import parse
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Environment, Monorepo
from tools.orchestrator.model.operation import Action

LOOPBACK = "127.0.0.1,localhost"
COMMAND_SECONDS = 1800
"""How long a command may take that no run follows. The longest refreshes one layer."""
CHECKSUMS = "AWS_RESPONSE_CHECKSUM_VALIDATION"
ENGINE_VARIABLES = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    # Secrets stay encrypted as the state says, even if the stack file does not say it. Without this, the engine would
    # encrypt the state again, with a passphrase (github.com/pulumi/pulumi/issues/16412).
    "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
    "PULUMI_CLOUD_SECRET_OVERRIDE": "",  # it would replace the secrets provider of every stack
}


class _Credentials(BaseModel):
    """What `pulumi login` keeps."""

    current: str = ""
    """The URL of the chosen backend."""


CREDENTIALS = TypeAdapter(_Credentials)


@dataclass(frozen=True)
class Workspace:
    """An environment of a monorepo that the engine can work in."""

    monorepo: Monorepo
    environment: Environment
    engine: Engine
    variables: dict[str, str]
    """Added to this process's environment; under the same variables every command can be repeated by hand."""
    created: set[str] = field(default_factory=set)
    """Layers whose stack this process has created."""
    inherited_fds: tuple[int, ...] = ()
    """File descriptors that the engine keeps open; what waits on them outlives this process."""

    @property
    def env(self) -> str:
        return self.environment.name

    def command(self, layer: str, *arguments: str, folder: Path | None = None) -> list[str]:
        """Return the engine's command line for a layer's stack; it runs in the layer's folder unless one is given."""
        cwd = str(folder or self.monorepo.folder(layer))
        return [str(self.engine.binary), *arguments, "--stack", self._stack(layer), "--non-interactive", "--cwd", cwd]

    def stack_file_copy(self, layer: str) -> AbstractContextManager[StackFileCopy]:
        """Return a copy of the layer's stack file for one command of the engine."""
        return stack_file_copy(self.monorepo.stack_file(layer, self.env))

    def config_file(self, layer: str, copy: StackFileCopy) -> tuple[str, ...]:
        """Return the arguments that make the engine use the copy; none for a removed layer, which has no file."""
        return ("--config-file", str(copy.path)) if layer in self.monorepo.layers else ()

    def _stack(self, layer: str) -> str:
        """Return the layer's stack as the engine finds it from the layer's folder; in full for a removed layer."""
        if layer in self.monorepo.layers:
            return self.env
        organization = "organization/" if urlsplit(self.backend).scheme in {"file", "s3"} else ""
        return f"{organization}{self.monorepo.project(layer)}/{self.env}"

    def display_command(self, layer: str, *arguments: str) -> str:
        """Return a command as a person would type it in the repository."""
        cwd = ["--cwd", f"projects/{layer}"] if layer in self.monorepo.layers else []
        return " ".join(["pulumi", *arguments, "--stack", self._stack(layer), *cwd])

    def action_arguments(self, action: Action) -> tuple[str, ...]:
        """Return the engine's arguments for an action on a layer."""
        pack = self.monorepo.policy_pack
        policies = ("--policy-pack", os.path.relpath(pack, self.monorepo.projects / "layer")) if pack else ()
        return {
            Action.UP: ("up", "--yes", "--skip-preview", *policies),
            Action.PREVIEW: ("preview", *policies),
            Action.DESTROY: ("destroy", "--yes", "--skip-preview"),
            Action.REFRESH_UP: ("up", "--refresh", "--yes", "--skip-preview", *policies),
            Action.DRIFT: ("refresh", "--preview-only"),
        }[action]

    @property
    def backend(self) -> str:
        """The URL of the state backend, as in `file:///…` or `s3://…`; empty if none is chosen."""
        return self.process_environment().get("PULUMI_BACKEND_URL") or self._logged_in_backend()

    def _logged_in_backend(self) -> str:
        """Return the backend that `pulumi login` has chosen."""
        home = Path(self.process_environment().get("PULUMI_HOME") or Path.home() / ".pulumi")
        path = home / "credentials.json"
        if not path.exists():
            return ""
        kind, remedy = "a file of pulumi login", "log in again with: pulumi login"
        return parse(CREDENTIALS, path.read_bytes(), where=str(path), kind=kind, remedy=remedy).current

    def with_env(self, **variables: str) -> "Workspace":
        """Return the same workspace with more variables."""
        return replace(self, variables=self.variables | variables)

    def process_environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    def call(self, layer: str, *arguments: str) -> str:
        """Run a short command on a layer's stack and return what it prints.

        Raises:
            OrchestratorError: the command failed.
        """
        return self._stdout(self._run(self.command(layer, *arguments)), layer)

    def call_backend(self, *arguments: str) -> str:
        """Run a short command that concerns no single layer and return what it prints.

        Raises:
            OrchestratorError: the command failed.
        """
        command = [str(self.engine.binary), *arguments, "--non-interactive", "--cwd", str(self.monorepo.root)]
        done = self._run(command)
        return self._stdout(done, next(iter(self.monorepo.layers)))

    def _run(self, command: list[str], seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run a command of the engine; on Ctrl-C wait for its end, whereas `subprocess.run` would kill it.

        Raises:
            subprocess.TimeoutExpired: it takes longer than any such command, so something has stopped it.
        """
        with children.engine(
            command,
            env=self.process_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process:
            try:
                try:
                    stdout, stderr = process.communicate(timeout=seconds)
                except KeyboardInterrupt:
                    process.communicate(timeout=seconds)
                    raise
            except subprocess.TimeoutExpired:
                children.kill(process)
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def _stdout(self, done: subprocess.CompletedProcess[str], layer: str) -> str:
        if done.returncode:
            raise OrchestratorError(errors.explain(done.stderr or done.stdout, layer, self.env))
        return done.stdout

    @property
    def stack_init_args(self) -> tuple[str, ...]:
        """The engine's arguments that create a stack."""
        provider = self.environment.secrets_provider
        return ("stack", "init", "--no-select", *(("--secrets-provider", provider) if provider else ()))

    def create_stacks(self, layers: Iterable[str]) -> None:
        """Create the layers' empty stacks, side by side."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.create_stack, layers))

    def create_stack(self, layer: str) -> None:
        """Create the layer's empty stack, unless it exists.

        Raises:
            OrchestratorError: the engine does not create it.
        """
        with self.stack_file_copy(layer) as copy:  # `stack init` has no option for another file
            done = self._run(self.command(layer, *self.stack_init_args, folder=copy.project))
        if "already exists" in done.stderr:
            return
        self._stdout(done, layer)
        self.created.add(layer)

    def remove_created_stacks(self) -> None:
        """Remove the empty stacks that this process has created."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._remove_created_stack, tuple(self.created)))

    def _remove_created_stack(self, layer: str) -> None:
        self.created.remove(layer)
        self.call(layer, "stack", "rm", "--yes", "--preserve-config")


def open_workspace(monorepo: Monorepo, environment: Environment, engine: Engine, cloud: dict[str, str]) -> Workspace:
    """Return the workspace of an environment. `cloud` has the variables of a running local cloud.

    Raises:
        OrchestratorError: this shell's AWS variables point to a local cloud, and the environment lives on AWS.
    """
    if not environment.is_local:
        _require_aws(environment.name)
    variables = {"PATH": engine.path(), **ENGINE_VARIABLES, **_no_proxy(), **cloud}
    variables["USER"] = current_user()  # an engine without cgo has no other source if the system does not know
    if environment.backend:
        variables["PULUMI_BACKEND_URL"] = environment.backend
    workspace = Workspace(monorepo, environment, engine, variables)
    if "endpoint=" in workspace.backend:  # not AWS's own store: it may answer without checksums, and engines warn
        workspace = workspace.with_env(**{CHECKSUMS: os.environ.get(CHECKSUMS, "when_required")})
    return workspace


def current_user() -> str:
    """Return the user's name; the number if the system has no name for it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _no_proxy() -> dict[str, str]:
    """Return variables that exempt this machine from proxies: programs, engine and local cloud talk over loopback.

    gRPC's C core reads only the lower-case variables, and `no_grpc_proxy` instead of `no_proxy` if it is set
    (grpc/doc/environment_variables.md); Go reads only the upper-case one.
    """
    given = [os.environ.get("no_proxy"), os.environ.get("NO_PROXY"), LOOPBACK]
    exempt = ",".join(dict.fromkeys(filter(None, given)))
    for_grpc = ",".join(filter(None, [os.environ.get("no_grpc_proxy"), exempt]))  # noqa: SIM112 (gRPC's name)
    return {"no_proxy": exempt, "NO_PROXY": exempt, "no_grpc_proxy": for_grpc}


def _require_aws(env: str) -> None:
    """Check that no variable leads to a local cloud: a deploy would succeed there, and the account would stay empty.

    Raises:
        OrchestratorError: a variable does, as in a shell that has evaluated `./inv local-env`.
    """
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if urlsplit(endpoint).hostname in {*LOOPBACK.split(","), "::1"}:
        raise OrchestratorError(
            f"this shell's AWS variables point to a local cloud, as after ./inv local-env "
            f"(AWS_ENDPOINT_URL={endpoint}), "
            f"and {env} lives on AWS: use another shell for it"
        )
