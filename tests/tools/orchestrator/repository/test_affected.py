"""Which layers a change touches."""

import ast
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import pytest
from shared.errors import TxmonError

from shared.contracts import CONTRACTS
from shared.graph import LAYERS, deploy_order
from tools.orchestrator.engine.workspace import ROOT
from tools.orchestrator.repository import git
from tools.orchestrator.repository.affected import Affected, affected, as_json, as_text, of_files
from tools.orchestrator.repository.sources import deploys

ALL = deploy_order()


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("projects/network/vpc.py", ["network", "data", "monitoring"]),
        ("projects/data/queries/tables.sql", ["data", "monitoring"]),
        ("projects/monitoring/Pulumi.yaml", ["monitoring"]),
        ("projects/monitoring/Pulumi.dev.yaml", ["monitoring"]),
        ("shared/contracts/streaming.py", ["streaming", "monitoring"]),
        ("shared/contracts/monitoring.py", ["monitoring"]),
        ("shared/contracts/contract.py", ALL),
        ("shared/contracts/__init__.py", ALL),
        ("shared/contracts/processing.py", ALL),
        ("shared/contracts/parts/arn.py", ALL),
        ("shared/graph.py", ALL),
        ("shared/aws/tags.py", ALL),
        ("shared/sizes.json", ALL),
        ("shared/policies/rules.py", ALL),
        ("shared/policies/pack/PulumiPolicy.yaml", ALL),
        ("projects/__init__.py", ALL),
        ("requirements.txt", ALL),
        ("projects/network/README.md", []),
        ("projects/network/.vpc.py.swp", []),
        ("tools/orchestrator/run/scheduler.py", []),
        ("tools/localcloud/lifecycle.py", []),
        ("shared/contracts/outputs.lock.json", []),
        ("shared/policies/README.md", []),
        ("shared/aws/__pycache__/tags.pyc", []),
        ("shared/.tags.py.swp", []),
        ("tests/unit/test_network.py", []),
        ("README.md", []),
        ("tasks.py", []),
        ("pyproject.toml", []),
    ],
)
def test_a_changed_file_affects_the_layers_it_deploys_and_their_dependents(name: str, layers: list[str]) -> None:
    assert set(of_files([PurePath(name)]).layers) == set(layers)


def test_settings_of_another_environment_do_not_count() -> None:
    changed = [PurePath("projects/streaming/Pulumi.dev.yaml")]
    assert of_files(changed, "dev").layers == ["streaming", "monitoring"]
    assert of_files(changed, "prod").layers == []


def test_the_reason_is_a_file_or_the_layer_below() -> None:
    found = of_files([PurePath("projects/data/cache.py"), PurePath("projects/streaming/stream.py")])
    assert found.because["data"] == ["projects/data/cache.py"]
    assert set(found.because["monitoring"]) == {"depends on streaming", "depends on data"}


def test_text_and_json_say_the_same() -> None:
    found = Affected({"data": ["a", "b", "c", "d"], "monitoring": ["depends on data"]}, ["processing"])
    assert as_text(found).splitlines() == [
        "data        a, b, c and 1 more",
        "monitoring  depends on data",
        "processing is deleted: ./inv destroy processing --env ENV, in each ENV that has it",
    ]
    assert json.loads(as_json(found))["layers"] == ["data", "monitoring"]
    assert json.loads(as_json(found))["deleted"] == ["processing"]
    assert "\n" not in as_json(found)
    assert as_text(Affected({}, [])) == "no layer is affected"


CONTRACT_FILES = {contract.__name__: ROOT / f"shared/contracts/{layer}.py" for layer, contract in CONTRACTS.items()}


def shared_imports(path: Path) -> Iterator[Path]:
    """The modules of `shared` that a module imports; of the contracts' package, those of the named contracts."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("shared"):
            yield from (CONTRACT_FILES[alias.name] for alias in node.names if alias.name in CONTRACT_FILES)
            for name in [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]:
                found = ROOT / name.replace(".", "/")
                yield from (p for p in (found.with_suffix(".py"), found / "__init__.py") if p.exists())


@pytest.mark.parametrize("layer", LAYERS)
def test_every_shared_module_that_a_layer_imports_deploys_it(layer: str) -> None:
    seen: set[Path] = set()
    waiting = set((ROOT / "projects" / layer).rglob("*.py"))
    while waiting:
        path = waiting.pop()
        seen.add(path)
        if path != ROOT / "shared/contracts/__init__.py":  # it imports every contract, whoever needs it
            waiting |= set(shared_imports(path)) - seen
    imported = {path.relative_to(ROOT) for path in seen} - {Path("shared/__init__.py")}
    assert Path("shared/contracts/contract.py") in imported
    assert not [path for path in imported if not deploys(path, layer)]


def committed(repository) -> None:
    repository.write("projects/data/cache.py", "new")
    repository.commit()


def staged(repository) -> None:
    repository.write("projects/data/cache.py", "new")
    repository.run("add", "--all")


def untracked(repository) -> None:
    repository.write("projects/data/cache with a space.py", "new")


@pytest.mark.parametrize("change", [committed, staged, untracked])
def test_a_change_counts_whether_it_is_committed_or_not(repository, change: Callable) -> None:
    assert affected("main").layers == []
    change(repository)
    assert affected("main").layers == ["data", "monitoring"]


def test_what_others_did_on_the_base_since_does_not_count(repository) -> None:
    committed(repository)
    repository.run("checkout", "--quiet", "main")
    repository.write("projects/network/vpc.py", "by others")
    repository.commit()
    repository.run("checkout", "--quiet", "feature")
    assert affected("main").layers == ["data", "monitoring"]


def test_a_file_that_moved_affects_both_layers(repository) -> None:
    committed(repository)
    repository.run("branch", "--force", "main")
    repository.write("projects/streaming/cache.py", "new")
    (repository.path / "projects/data/cache.py").unlink()
    repository.commit()
    assert affected("main").layers == ["streaming", "data", "monitoring"]


def test_a_deleted_layer_is_named(repository) -> None:
    (repository.path / "projects/processing/Pulumi.yaml").unlink()
    assert affected("main").deleted == ["processing"]
    repository.write("projects/processing/Pulumi.yaml", "name: other")
    assert affected("main").deleted == []


@pytest.mark.parametrize("renamed", [False, True])
def test_a_deleted_layer_that_the_graph_still_names_is_not_to_be_deployed(repository, renamed: bool) -> None:
    repository.write("projects/data/Pulumi.yaml", "name: txmon-data")
    repository.commit()
    repository.run("branch", "--force", "main")
    data = repository.path / "projects/data"
    data.rename(data.with_name("storage")) if renamed else shutil.rmtree(data)
    found = affected("main")
    assert (found.layers, found.deleted) == (["monitoring"], ["data"])


@pytest.mark.usefixtures("repository")
def test_an_unknown_environment_names_the_nearest() -> None:
    with pytest.raises(TxmonError, match="there is no environment 'pord'; did you mean 'prod'"):
        affected("main", "pord")


@pytest.mark.usefixtures("repository")
def test_an_unknown_base_says_what_to_fetch() -> None:
    with pytest.raises(TxmonError, match=r"git knows no commit 'origin/mian': fetch it first, .*--unshallow"):
        affected("origin/mian")


@pytest.mark.usefixtures("repository")
def test_a_base_that_looks_like_an_option_is_no_option() -> None:
    with pytest.raises(TxmonError, match="git knows no commit '--output=x'"):
        affected("--output=x")


def test_a_base_without_a_common_commit_says_so(repository) -> None:
    repository.run("checkout", "--quiet", "--orphan", "other")
    repository.write("README.md", "another first")
    repository.commit()
    with pytest.raises(TxmonError, match="no commit that HEAD and main have in common"):
        affected("main")


@pytest.mark.usefixtures("repository")
def test_what_else_git_says_is_passed_on_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as in a container that runs as another user
    with pytest.raises(TxmonError, match=r"git rev-parse: detected dubious ownership .* call: git config --global"):
        affected("main")


def test_without_a_repository_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "ROOT", tmp_path)
    with pytest.raises(TxmonError, match="this folder is no git repository"):
        affected("main")


@pytest.mark.usefixtures("repository")
def test_without_git_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TxmonError, match="git is not on PATH"):
        affected("main")
