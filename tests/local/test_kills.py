"""Killed at many points: the next command tells what happened and ends with exactly the right resources."""

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass

import psutil
import pytest

from shared.layers import LAYERS

pytestmark = pytest.mark.local

POINTS = (0.2, 0.5, 0.8)
"""Shares of a whole run: while the first layers begin, in their midst, near the end."""


def engines(clone) -> list[psutil.Process]:
    return [process for process in processes(clone) if process.info["name"] == "pulumi"]


def programs(clone) -> list[psutil.Process]:
    """What the layers' programs are forked from, and themselves."""
    return [process for process in processes(clone) if "forkserver" in " ".join(process.info["cmdline"])]


def processes(clone) -> list[psutil.Process]:
    running = psutil.process_iter(["name", "cmdline"])
    return [process for process in running if str(clone.path) in " ".join(process.info["cmdline"] or ())]


def killed(clone, verb: str, victim: str, after: float) -> None:
    """Run a verb and kill the runner or one of its engines after some seconds; wait until all has come to rest."""
    run = subprocess.Popen(
        clone.command(verb),
        cwd=clone.path,
        env=clone.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    time.sleep(after)
    if victim == "runner":
        run.kill()
    else:
        for engine in random.sample(running := engines(clone), min(1, len(running))):
            engine.kill()
    run.wait(120)
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


@dataclass(frozen=True)
class Whole:
    """What a deploy without any trouble makes, and how long it and the destroy after it take."""

    made: Counter[str]
    seconds: dict[str, float]


@pytest.fixture(scope="module")
def whole(clone) -> Whole:
    assert clone.inv("deploy-all").code == 0
    counted = clone.made()
    seconds = {}
    for verb in ("destroy-all", "deploy-all", "destroy-all"):
        began = time.monotonic()
        assert clone.inv(verb).code == 0
        seconds[verb] = time.monotonic() - began
    assert +clone.made() == Counter()
    return Whole(counted, seconds)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("victim", ["runner", "engine"])
def test_a_deploy_killed_at_any_point_is_finished_by_the_next(clone, whole, victim: str, point: float) -> None:
    killed(clone, "deploy-all", victim, point * whole.seconds["deploy-all"])
    mended(clone, "deploy-all")
    assert clone.made() == whole.made
    killed(clone, "destroy-all", victim, point * whole.seconds["destroy-all"])
    mended(clone, "destroy-all")
    assert +clone.made() == Counter()


def test_a_killed_emulator_leaves_nothing_twice(clone, whole) -> None:
    run = subprocess.Popen(clone.command("deploy-all"), env=clone.environment(), stdout=subprocess.DEVNULL)
    time.sleep(POINTS[1] * whole.seconds["deploy-all"])
    os.kill(clone.cloud["emulator_pid"], signal.SIGKILL)
    assert run.wait(120) == 1
    mended(clone, "deploy-all")
    assert clone.made() == whole.made
