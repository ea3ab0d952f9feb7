"""Rules for the program of every layer in every environment."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from projects.security.roles import READ_SECRETS, WITHIN_BOUNDARY
from shared.contracts import CONTRACTS
from shared.environments import PROJECTS
from shared.graph import LAYERS

PAGE = 60

every_layer = pytest.mark.parametrize("layer", LAYERS)


@every_layer
def test_a_layer_exports_exactly_the_outputs_of_its_contract(run_layer, layer: str, env: str) -> None:
    exports, specs = run_layer(layer, env).exports, CONTRACTS[layer].outputs()
    assert exports.keys() == specs.keys()
    faults = {name: spec.fault(exports[name]) for name, spec in specs.items()}
    assert not {name: fault for name, fault in faults.items() if fault}
    assert exports["contract_version"] == CONTRACTS[layer].version
    assert exports["environment_suffix"] == env


@every_layer
def test_a_layer_reads_exactly_the_layers_of_the_graph(run_layer, layer: str, env: str) -> None:
    assert run_layer(layer, env).reads == LAYERS[layer].reads


@every_layer
def test_the_example_of_an_output_conforms_to_its_contract(layer: str) -> None:
    faults = {name: spec.fault(spec.example) for name, spec in CONTRACTS[layer].outputs().items()}
    assert not {name: fault for name, fault in faults.items() if fault}


@every_layer
def test_every_resource_uses_the_provider_of_the_layer(run_layer, layer: str, env: str) -> None:
    run = run_layer(layer, env)
    [provider] = run.all("pulumi:providers:aws")
    assert provider.inputs["region"] == "ap-northeast-1"
    assert json.loads(provider.inputs["defaultTags"])["tags"] == {
        "Project": "txmon",
        "Environment": env,
        "Layer": layer,
        "Owner": f"{layer}-team",
        "ManagedBy": "Pulumi",
    }
    stray = [r.name for r in run.resources if r.typ.startswith("aws:") and "::aws::" not in (r.provider or "")]
    assert not stray


@every_layer
def test_every_name_ends_with_the_suffix(run_layer, layer: str, env: str) -> None:
    resources = [r for r in run_layer(layer, env).resources if not r.typ.startswith("pulumi:")]
    assert resources
    assert not [r.name for r in resources if not r.name.endswith(f"-{env}")]
    named = {r.name: r.inputs["tags"]["Name"] for r in resources if "Name" in r.inputs.get("tags", {})}
    assert named == {name: name for name in named}


def grants(run: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every statement of every role policy in a run, with the policy's name."""
    for resource in run.all("aws:iam/rolePolicy:RolePolicy"):
        for statement in json.loads(resource.inputs["policy"])["Statement"]:
            yield resource.name, statement


@every_layer
def test_no_layer_grants_more_than_the_boundary(run_layer, layer: str, env: str) -> None:
    beyond = {
        (name, action)
        for name, statement in grants(run_layer(layer, env))
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
        if action not in {*WITHIN_BOUNDARY, *READ_SECRETS}
    }
    assert not beyond


@every_layer
def test_key_usage_is_granted_through_a_service_only(run_layer, layer: str, env: str) -> None:
    for name, statement in grants(run_layer(layer, env)):
        if any(action.startswith("kms:") for action in statement["Action"]):
            assert "kms:ViaService" in statement["Condition"]["StringEquals"], name


@every_layer
def test_a_program_is_at_most_one_page(layer: str) -> None:
    lines = (PROJECTS / layer / "__main__.py").read_text().splitlines()
    assert len(lines) <= PAGE


def sources(folder: Path) -> Iterator[Path]:
    """Yield the Python files of a folder, without those of a function's zip, which import each other relatively."""
    return (path for path in folder.glob("**/*.py") if "app" not in path.parts)


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@every_layer
def test_a_layer_imports_no_other_layer(layer: str) -> None:
    for path in sources(PROJECTS / layer):
        layers = {name.split(".")[1] for name in imports(path) if name.startswith("projects.")}
        assert layers <= {layer}, path


def test_shared_code_imports_no_layer() -> None:
    for path in (PROJECTS.parent / "shared").glob("**/*.py"):
        assert not {name for name in imports(path) if name.split(".")[0] == "projects"}, path


def test_no_code_that_layers_share_reads_a_contract() -> None:
    """Who reads what is looked for in the layers only (`tools.txmon.outputs_lock`)."""
    for path in (PROJECTS.parent / "shared").glob("*.py"):
        assert not {name for name in imports(path) if name.startswith("shared.contracts")}, path
