"""Tests of the script `inv`: making .venv, running from anywhere, and its messages when something is missing."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory

import pytest

from tools.orchestrator.cli.options import path_argument

ROOT = Path(__file__).parents[1]
NOBODY = 65534


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("inv", "requirements.txt", "pyproject.toml"):
        shutil.copy2(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in ("dirname", "cat", "cmp", "env", "readlink", "rm", "pwd", "sed", "mv", "mkdir"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "")
    return tmp_path


def inv(clone: Path, **variables: str | None) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(clone / "home"), "PATH": str(clone / "bin")} | variables
    return subprocess.run(
        ["/bin/sh", clone / "inv", "--list"],
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def test_a_missing_python_is_reported_in_one_sentence(clone: Path) -> None:
    script(clone / "bin/python3", "exit 1")
    done = inv(clone)
    assert done.returncode == 1
    assert done.stderr == (
        "txmon: Python 3.11 or newer (with its venv module) is needed and none is on PATH; "
        "install it and run this again.\n"
    )


@pytest.mark.parametrize("home", ["", None])
def test_a_missing_home_is_reported_in_one_sentence(clone: Path, home: str | None) -> None:
    done = inv(clone, HOME=home)
    assert done.returncode == 1
    assert done.stderr.startswith("txmon: HOME is not set")


def stand_ins(clone: Path) -> dict[str, str]:
    """Return variables that put the clone's bin first on PATH and give uv a cache of its own."""
    return {"PATH": f"{clone / 'bin'}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(clone / "cache")}


def cached_uv(clone: Path, text: str) -> None:
    [version] = re.findall(r"(?m)^uv==(\S+)", (clone / "requirements.txt").read_text())
    uv = clone / f"cache/txmon/uv-{version}/bin/uv"
    uv.parent.mkdir(parents=True)
    script(uv, text)


def test_an_unreachable_registry_is_reported_and_leaves_nothing_behind(clone: Path) -> None:
    # This Python makes virtualenvs in which `pip` fails.
    script(
        clone / "bin/python3",
        '[ "$2" != venv ] || { echo "$3" >made; mkdir -p "$3/bin"; ln -s /bin/false "$3/bin/python"; }',
    )
    done = inv(clone, **stand_ins(clone))
    made = Path((clone / "made").read_text().strip())
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"txmon: cannot install uv in {made.with_suffix('')} (see above): can that be written, and is the Python"
        " package registry reachable?\n"
    )
    assert made.parent == clone / "cache/txmon"
    assert not made.exists()
    assert not (clone / ".venv").exists()


def test_missing_requirements_are_reported_and_leave_no_environment(clone: Path) -> None:
    cached_uv(clone, "[ $1 = venv ] && mkdir .venv.new")
    done = inv(clone, **stand_ins(clone))
    assert done.returncode == 1
    assert "txmon: cannot install requirements.txt (see above)" in done.stderr
    assert not list(clone.glob(".venv*/"))


def test_an_environment_that_cannot_be_replaced_is_kept(installed: Path) -> None:
    cached_uv(installed, "exit 1")
    old = (installed / ".venv/.installed").read_text()
    (installed / "requirements.txt").write_text("uv==1\n")
    (installed / "cache/txmon").rename(installed / "cache/old")
    (installed / "cache/txmon").mkdir()
    next((installed / "cache/old").glob("uv-*")).rename(installed / "cache/txmon/uv-1")
    done = inv(installed, **stand_ins(installed))
    assert "txmon: cannot install requirements.txt (see above)" in done.stderr
    assert (installed / ".venv/.installed").read_text() == old


RECORDER = """#!/bin/sh
echo "$0 $*" >>commands
env >>variables
[ "$1" != venv ] || mkdir .venv.new
[ "$2" != pip ] || cp "$0" "${0%/*}/uv"
"""


@pytest.fixture
def recording(clone: Path) -> Path:
    """Return a clone whose virtualenvs record the commands and the variables that they get."""
    (clone / "recorder").write_text(RECORDER)
    (clone / "recorder").chmod(0o755)
    real = f'exec {sys.executable} "$@"'
    make = 'mkdir -p "$3/bin" && cp recorder "$3/bin/python"'
    script(clone / "bin/python3", f'case "$1 $2" in -c*) ;; -m\\ venv) {make} ;; *) {real} ;; esac')
    return clone


def test_every_package_that_it_downloads_has_to_have_a_pinned_hash(recording: Path) -> None:
    inv(recording, **stand_ins(recording))
    installs = [line for line in (recording / "commands").read_text().splitlines() if " pip install " in line]
    downloads = [line for line in installs if "--no-deps --no-build-isolation --editable ." not in line]
    assert len(installs) == 3
    assert len(downloads) == 2
    assert all("--require-hashes --requirement" in line for line in downloads)
    [uv] = (recording / "cache/txmon").glob("uv-*/uv.txt")
    assert re.fullmatch(r"uv==\S+ \\\n(    --hash=sha256:\w{64} \\\n)+    --hash=sha256:\w{64}\n", uv.read_text())


def test_requirements_have_all_dependencies_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pinned = {line.split()[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line}
    [go] = project["dependency-groups"]["go"]
    assert {name.lower() for name in project["project"]["dependencies"]} <= pinned, "run line 2 of requirements.txt"
    assert (ROOT / "tools/engine/go.txt").read_text().splitlines()[2].startswith(f"{go} ")


@pytest.mark.parametrize(
    ("name", "reaches"),
    [
        *((name, False) for name in ("PIP_TARGET", "PIP_CONSTRAINT", "UV_REQUIRE_HASHES", "UV_PYTHON", "PYTHONHOME")),
        *((name, True) for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_OUR_PASSWORD", "PIP_CERT")),
        *((name, True) for name in ("UV_HTTP_TIMEOUT", "UV_CACHE_DIR", "PIP_CONFIG_FILE", "SSL_CERT_FILE")),
    ],
)
def test_variables_of_pip_and_uv_count_if_they_lead_to_packages(recording: Path, name: str, reaches: bool) -> None:
    inv(recording, **stand_ins(recording), **{name: "/nowhere", "PIP_USER": "1"})
    variables = (recording / "variables").read_text().splitlines()
    assert (f"{name}=/nowhere" in variables) == reaches
    assert "PIP_USER=0" in variables
    assert "PIP_USER=1" not in variables


def test_the_uv_toml_of_a_folder_above_is_not_read(clone: Path) -> None:
    (clone.parent / "uv.toml").write_text("nonsense = true")
    uv = Path(sys.executable).with_name("uv")
    assert subprocess.run([uv, "pip", "list"], cwd=clone.parent, capture_output=True, check=False).returncode
    (clone.parent / "uv.toml").rename(clone / "uv.toml")
    below = clone / "below"
    below.mkdir()
    shutil.copy2(ROOT / "pyproject.toml", below)
    done = subprocess.run([uv, "pip", "list"], cwd=below, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


STAND_IN = f"""[ "$1" != -I ] || exec {sys.executable} "$@"
shift 2; echo "$(pwd) $TXMON_CALLED_FROM $*";"""
"""A Python that prints its folder, the folder of the caller, and its arguments."""

UV = """
case $1 in
venv) mkdir busy && mkdir -p .venv.new/bin && cp python .venv.new/bin ;;
pip) sleep 0.2; case $* in *editable*) rmdir busy; echo made >>made ;; esac ;;
esac"""


def test_two_concurrent_runs_make_one_environment(clone: Path) -> None:
    script(clone / "python", STAND_IN)
    cached_uv(clone, UV)
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda _: inv(clone, **stand_ins(clone)), range(2)))
    assert [done.returncode for done in both] == [0, 0], both
    assert sum("txmon: waiting for another ./inv that uses .venv ..." in done.stderr for done in both) == 1
    assert (clone / "made").read_text() == "made\n"


def test_an_environment_in_use_is_replaced_when_its_command_has_ended(clone: Path) -> None:
    wait = "for i in 1 2 3 4 5 6 7 8 9; do [ ! -e wait ] || sleep 1; done"
    script(clone / "python", f"{STAND_IN} [ ! -e wait ] || {{ {wait}; ls .venv; }}")
    cached_uv(clone, UV)
    inv(clone, **stand_ins(clone))
    (clone / "wait").touch()
    begin = partial(subprocess.Popen, ["/bin/sh", clone / "inv"], stdout=PIPE, stderr=PIPE, text=True)
    environment = {"HOME": str(clone), **stand_ins(clone)}
    with begin(env=environment) as running:
        assert running.stdout.readline().endswith(" --list\n")
        with (clone / "pyproject.toml").open("a") as file:
            file.write("# changed")
        with begin(env=environment) as second:
            assert second.stderr.readline() == "txmon: waiting for another ./inv that uses .venv ...\n"
            (clone / "wait").unlink()
            assert running.communicate() == ("bin\n", "")
            second.communicate()
    assert (clone / "made").read_text() == "made\nmade\n"


def test_a_clone_reached_through_a_link_has_one_environment(clone: Path, tmp_path: Path) -> None:
    script(clone / "python", STAND_IN)
    cached_uv(clone, UV)
    (clone / "link").symlink_to(clone)
    assert inv(clone, **stand_ins(clone)).returncode == 0
    assert inv(clone / "link", **stand_ins(clone)).returncode == 0
    assert (clone / "made").read_text() == "made\n"


@pytest.mark.parametrize(
    "variables",
    [
        {"CDPATH": "{other}"},
        {"PYTHONHOME": "/nowhere"},
        {"PYTHONPATH": "{other}"},
        {"PYTHONSAFEPATH": "1"},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONIOENCODING": "nonsense"},
        {"PYTHONOPTIMIZE": "2"},
        {"VIRTUAL_ENV": "/nowhere"},
        {"LC_ALL": "C"},
        {"LC_ALL": "nonsense", "LANG": "nonsense"},
    ],
    ids=" ".join,
)
def test_variables_of_other_programs_change_nothing(tmp_path: Path, variables: dict[str, str]) -> None:
    other = tmp_path / ROOT.name
    other.mkdir()
    for module in ("invoke", "tasks", "sitecustomize"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('a module of another program')")
    given = {name: value.format(other=tmp_path) for name, value in variables.items()}
    done = subprocess.run(
        ["/bin/sh", f"{ROOT.name}/inv", "affected", "--base", "HEAD", "--format", "json"],
        cwd=ROOT.parent,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_environment_without_its_python_is_made_again(installed: Path) -> None:
    (installed / ".venv/bin/python").unlink()
    (installed / ".venv/bin/python").symlink_to("/no/python3")
    script(installed / "bin/python3", "exit 1")
    assert "Python 3.11 or newer (with its venv module) is needed" in inv(installed).stderr


def test_a_read_only_clone_is_reported(clone: Path) -> None:
    script(clone / "bin/python3", "exit 0")
    with TemporaryDirectory() as folder:  # which other users can enter
        elsewhere = shutil.copytree(clone, folder, symlinks=True, dirs_exist_ok=True)
        Path(elsewhere).chmod(0o555)
        done = subprocess.run(
            ["/bin/sh", f"{elsewhere}/inv"],
            env={"HOME": "/nowhere", "PATH": f"{elsewhere}/bin"},
            user=NOBODY if os.geteuid() == 0 else None,  # root can write to read-only folders
            capture_output=True,
            text=True,
            check=False,
        )
        Path(elsewhere).chmod(0o755)
    assert done.returncode == 1
    assert done.stderr.startswith(f"txmon: {elsewhere} cannot be written, and there .venv has to be made.")


@pytest.fixture
def installed(clone: Path) -> Path:
    """Return a clone with an environment."""
    (clone / ".venv/bin").mkdir(parents=True)
    script(clone / ".venv/bin/python", STAND_IN)
    made_from = "".join((clone / name).read_text() for name in ("requirements.txt", "pyproject.toml"))
    (clone / ".venv/.installed").write_text(f"{clone}\n{made_from}")
    return clone


@pytest.mark.parametrize("link", ["inv", "absolute", "relative", "twice"])
def test_it_runs_in_its_repository_from_any_folder_and_through_links(installed: Path, link: str) -> None:
    elsewhere = installed / "else where"
    elsewhere.mkdir()
    (elsewhere / "absolute").symlink_to(installed / "inv")
    (elsewhere / "relative").symlink_to("../inv")
    (elsewhere / "twice").symlink_to("relative")
    command = ["/bin/sh", installed / "inv" if link == "inv" else elsewhere / link, "status", "--env", "a b"]
    environment = {"HOME": "/nowhere", "PATH": str(installed / "bin")}
    done = subprocess.run(command, env=environment, cwd=elsewhere, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{installed} {elsewhere} status --env a b\n", "")


def test_it_lists_the_verbs_if_none_is_given(installed: Path) -> None:
    environment = {"HOME": "/nowhere", "PATH": str(installed / "bin")}
    done = subprocess.run(
        ["/bin/sh", installed / "inv"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith(" --list\n")


@pytest.mark.parametrize(
    ("called_from", "given", "meant"),
    [
        (ROOT, "plan.json", "plan.json"),
        (ROOT / "projects", "plan.json", "projects/plan.json"),
        (ROOT / "projects", "../plan.json", "plan.json"),
        ("/elsewhere", "plan.json", "/elsewhere/plan.json"),
        ("/elsewhere", "/absolute/plan.json", "/absolute/plan.json"),
        (None, "plan.json", "plan.json"),
    ],
)
def test_a_file_is_relative_to_the_folder_of_the_caller(
    called_from: Path | None, given: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("TXMON_CALLED_FROM", raising=False)
    if called_from:
        monkeypatch.setenv("TXMON_CALLED_FROM", str(called_from))
    assert path_argument(given) == Path(meant)
