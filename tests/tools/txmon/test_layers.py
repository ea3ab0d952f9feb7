"""What tools find in the layers by name."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.config import LayerConfig
from shared.environments import PROJECTS
from shared.graph import LAYERS
from tools.txmon.layers import access_matrix, config_class

ROOT = PROJECTS.parent
IMPORT_BY_NAME = re.compile(r"\bimport_module\b|\b__import__\b|\bmodule_from_spec\b")
ALLOWED = {
    Path("tools/txmon/layers.py"),
    Path("tools/localcloud/completions/call.py"),  # MiniStack's, which reads its settings when it is imported
    Path("tools/localcloud/function_worker.py"),  # a function's handler, which its configuration names
}


def test_one_module_imports_others_by_name() -> None:
    folders = ("shared", "tools", "projects", "benchmarks")
    sources = [ROOT / "tasks.py", *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    found = {path.relative_to(ROOT) for path in sources if IMPORT_BY_NAME.search(path.read_text())}
    assert found <= ALLOWED
    assert Path("tools/txmon/layers.py") in found


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_has_one_configuration_class(layer: str) -> None:
    assert issubclass(config_class(layer), LayerConfig)
    assert config_class(layer).__module__ == f"projects.{layer}.config"


def test_the_access_matrix_names_source_target_and_port() -> None:
    assert ("consumer", "rds", 5432) in {(access.source, access.target, access.port) for access in access_matrix()}


def test_loading_a_layer_imports_its_modules_and_services() -> None:
    """Run in a new process, since this one may have loaded them already."""
    program = (
        "import sys\nfrom tools.txmon.layers import load_modules\n"
        "before = set(sys.modules)\nload_modules()\nprint(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    modules = {f"projects.network.{path.stem}" for path in (PROJECTS / "network").glob("[!_]*.py")}
    assert modules <= loaded
    assert "pulumi_aws.ec2.vpc" in loaded
    assert "projects.network.__main__" not in loaded
