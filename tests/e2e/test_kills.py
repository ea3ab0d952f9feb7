"""Killed at many points: the next command tells what happened and ends with exactly the right resources."""

import json
import os
import random
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice, takewhile
from typing import Any

import psutil
import pytest

from shared.graph import LAYERS

pytestmark = [pytest.mark.local, pytest.mark.slow]

KILLED = {0.0: ("engine", "runner"), 0.3: ("runner", "engine"), 0.6: ("engine", "runner"), 0.9: ("runner", "engine")}
"""When, and who: in the deploy, and in the destroy after it. As the first engine begins, and when so large a share of
the run's resources is created or deleted; turn by turn, since each case is four runs."""

Reached = Callable[[str, float], subprocess.Popen[str]]
"""Begins a verb and gives the run when it has come so far."""


def engines(clone) -> list[psutil.Process]:
    return [process for process in processes(clone) if process.info["name"] == "pulumi"]


def programs(clone) -> list[psutil.Process]:
    """What the layers' programs are forked from, and themselves."""
    return [process for process in processes(clone) if "forkserver" in " ".join(process.info["cmdline"])]


def processes(clone) -> list[psutil.Process]:
    running = psutil.process_iter(["name", "cmdline"])
    return [process for process in running if str(clone.path) in " ".join(process.info["cmdline"] or ())]


def killed(clone, run: subprocess.Popen[str], victim: str) -> None:
    """Kill the runner or one of its engines; wait until all has come to rest."""
    if victim == "runner":
        run.kill()
    else:
        for engine in random.sample(running := engines(clone), min(1, len(running))):
            with suppress(psutil.NoSuchProcess):  # its layer may just have come to its end
                engine.kill()
    run.communicate(timeout=120)
    psutil.wait_procs(engines(clone), timeout=60)
    _, left = psutil.wait_procs(programs(clone), timeout=10)
    assert not left


def mended(clone, verb: str) -> None:
    """Run a verb until it has gone well, doing what it says on the way; it may ask for an unlock a layer, no more."""
    for _ in range(len(LAYERS) + 1):
        done = clone.inv(verb)
        if done.code == 0:
            return
        asked = re.search(r"\./inv unlock (\w+) --env local", done.said)
        assert asked, done.said
        freed = clone.inv("unlock", asked.group(1))
        assert freed.code == 0, freed.said
    pytest.fail(done.said)


def resources(printed: Iterable[str]) -> Iterator[str]:
    """The lines that tell of a resource that is there, or gone."""
    return (line for line in printed if re.match(r"\[\w+ *\] (created|deleted) ", line))


@pytest.fixture(scope="module")
def whole(clone) -> dict[str, Any]:
    """What a deploy without any trouble makes, and how many resources it and the destroy after it tell of."""
    deployed, made, destroyed = clone.inv("deploy-all"), clone.made(), clone.inv("destroy-all")
    assert (deployed.code, destroyed.code) == (0, 0)
    assert +clone.made() == Counter()
    told = {"deploy-all": deployed, "destroy-all": destroyed}
    return {"made": made} | {verb: len(list(resources(done.out.splitlines()))) for verb, done in told.items()}


@pytest.fixture
def reached(clone, whole) -> Reached:
    def run_until(verb: str, point: float) -> subprocess.Popen[str]:
        run = subprocess.Popen(
            clone.command(verb),
            cwd=clone.path,
            env=clone.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert run.stdout
        before = list(takewhile(lambda line: "] pulumi " not in line, run.stdout))
        assert run.poll() is None, "".join(before)
        told = int(point * whole[verb])
        assert len(list(islice(resources(run.stdout), told))) == told
        return run

    return run_until


def test_a_stack_is_one_file_and_replaced_whole(clone, whole) -> None:
    stacks = [path for path in (clone.path / ".local/state/.pulumi/stacks").rglob("*") if path.is_file()]
    assert {path.suffix for path in stacks if not path.name.endswith(".bak")} == {".json"}


@pytest.mark.parametrize("point", KILLED)
def test_a_run_killed_at_any_point_is_finished_by_the_next(clone, whole, reached: Reached, point: float) -> None:
    of_deploy, of_destroy = KILLED[point]
    killed(clone, reached("deploy-all", point), of_deploy)
    mended(clone, "deploy-all")
    assert clone.made() == whole["made"]
    killed(clone, reached("destroy-all", point), of_destroy)
    mended(clone, "destroy-all")
    assert +clone.made() == Counter()


def test_a_killed_engine_has_its_changes_counted_and_an_unlock_named(clone, whole) -> None:
    run = subprocess.Popen(
        clone.command("deploy-all"), cwd=clone.path, env=clone.environment(), stdout=subprocess.PIPE, text=True
    )
    assert run.stdout
    created = (line for line in run.stdout if line.startswith("[monitoring] created "))
    assert len(list(islice(created, 22))) == 22
    [engine] = [each for each in engines(clone) if "monitoring" in " ".join(each.info["cmdline"])]
    engine.kill()
    rest = run.stdout.read()
    assert run.wait(120) == 1
    counted = re.search(r"^monitoring +failed .* (\d+) create$", rest, re.MULTILINE)
    assert counted, rest
    told = 22 + len(re.findall(r"^\[monitoring\] created ", rest, re.MULTILINE))
    assert int(counted[1]) == told
    [record] = [json.loads(path.read_text()) for path in sorted(clone.path.glob(".txmon/runs/*/run.json"))[-1:]]
    assert record["layers"]["monitoring"]["changes"] == {"create": int(counted[1])}
    assert "continue with: ./inv unlock monitoring --env local, then ./inv resume --env local" in rest
    assert clone.inv("unlock", "monitoring").code == 0
    assert clone.inv("resume").code == 0
    assert clone.made() == whole["made"]
    assert clone.inv("destroy-all").code == 0


def test_a_killed_emulator_leaves_nothing_twice(clone, whole, reached: Reached) -> None:
    """The run under it fails in a sentence. The next goes on with what was saved, or begins anew if not all was."""

    def failed_under_a_killed_emulator(verb: str, point: float) -> None:
        run = reached(verb, point)
        os.kill(clone.cloud["emulator_pid"], signal.SIGKILL)
        said, _ = run.communicate(timeout=120)
        assert run.returncode == 1, said
        assert "Traceback" not in said
        assert "the local cloud's emulator has stopped" in said

    failed_under_a_killed_emulator("deploy-all", 0.3)
    mended(clone, "deploy-all")
    assert clone.made() == whole["made"]
    failed_under_a_killed_emulator("destroy-all", 0.3)
    mended(clone, "destroy-all")
    assert +clone.made() == Counter()
    failed_under_a_killed_emulator("deploy-all", 0.9)
    mended(clone, "destroy-all")
    assert +clone.made() == Counter()
