import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest

from projects.processing import package

REQUIREMENTS = package.APP.parents[2] / "requirements.txt"

RUNTIME = ("boto3", "botocore", "jmespath", "s3transfer", "urllib3")
"""What Lambda's runtime adds to Python's own library, but for python-dateutil and six, which the zip has, too."""

IMPORT = """
import sys
sys.path[:0] = sys.argv[1:]
import app.console, app.consume, app.migrate, app.schema
assert all(callable(module.handler) for module in (app.console, app.consume, app.migrate))
import json
files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps({name: file for name, file in files.items() if file}))
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package.build(tmp_path_factory.mktemp("build"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_rebuild_has_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        again = package.build(tmp_path)
    finally:
        os.umask(umask)

    assert sha256(again) == sha256(archive)
    with ZipFile(again) as zipped:
        facts = {(entry.date_time, entry.external_attr, entry.create_system) for entry in zipped.infolist()}
    assert facts == {(package.EPOCH, 0o100644 << 16, 3)}


BUILD = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from projects.processing import package
package.build(Path(sys.argv[3]))
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_builds_the_same_bytes(archive: Path, tmp_path: Path, version: str) -> None:
    python = _another_python(version)
    if python is None:
        pytest.skip(f"there is no other Python {version} here")
    libraries = distribution("redis").locate_file("")

    built = [python, "-I", "-c", BUILD, package.APP.parents[2], libraries, tmp_path]
    subprocess.run(built, timeout=60, check=True, env={})

    assert sha256(tmp_path / "functions.zip") == sha256(archive)


def _another_python(version: str) -> Path | None:
    """Return a Python of another version than this one, from pyenv or PATH, where pyenv's shims may lead nowhere."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    if (on_path := shutil.which(f"python{version}")) and "shims" not in on_path:
        found.append(Path(on_path))
    return found[0] if found and version != own else None


@pytest.mark.parametrize("library", package.LIBRARIES)
def test_a_library_of_the_zip_is_one_wheel_for_every_python_and_machine(library: str) -> None:
    found = distribution(library)
    pinned = re.findall(rf"(?m)^{library}==(\S+) ", REQUIREMENTS.read_text("utf-8"))
    tags = re.findall(r"(?m)^Tag: (.+)$", found.read_text("WHEEL") or "")

    assert pinned == [found.version]
    assert "py3-none-any" in tags


def test_the_zip_is_written_again_only_if_its_contents_change(tmp_path: Path) -> None:
    first = package.build(tmp_path)
    written = first.stat().st_mtime_ns

    assert package.build(tmp_path).stat().st_mtime_ns == written

    first.write_bytes(b"cut off")
    assert sha256(package.build(tmp_path)) == sha256(package.build(tmp_path / "other"))


def test_the_handlers_import_from_the_zip_and_the_runtime_alone(archive: Path, tmp_path: Path) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for name in RUNTIME:
        (runtime / name).symlink_to(Path(str(distribution(name).locate_file(name))))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT, archive, runtime],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={},
    )

    assert done.returncode == 0, done.stderr
    modules = json.loads(done.stdout)
    libraries = {"asn1crypto", "dateutil", "fastjsonschema", "pg8000", "redis", "scramp", "six"}
    assert {name for name in libraries if not modules[name].startswith(str(archive))} == set()
    assert not [path for path in modules.values() if "site-packages" in path]


def test_the_zip_has_no_binary_and_is_small(archive: Path) -> None:
    with ZipFile(archive) as zipped:
        names = zipped.namelist()

    assert not [name for name in names if name.endswith((".so", ".pyd", ".dylib", ".pyc"))]
    assert {"app/rds-roots.pem", "app/transaction.schema.json", "app/migrations/0001_transactions.sql"} <= set(names)
    assert not [name for name in names if name.startswith(("/", ".."))]
    assert archive.stat().st_size < 5_000_000


def test_the_roots_of_rds_are_trusted_for_decades() -> None:
    roots = ssl.create_default_context(cafile=package.APP / "rds-roots.pem").get_ca_certs()
    names = [dict(pair for [pair] in root["subject"])["commonName"] for root in roots]

    assert "Amazon RDS ap-northeast-1 Root CA RSA2048 G1" in names
    assert min(int(str(root["notAfter"]).split()[3]) for root in roots) >= 2061


def test_the_zip_is_not_in_git() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", package.BUILD / "functions.zip"], check=False, timeout=60, cwd=package.APP
    )

    assert ignored.returncode == 0
