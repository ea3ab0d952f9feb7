"""Every layer in every environment against the rules, without an engine."""

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
from pulumi.runtime import set_all_config

from projects.network.config import EndpointService
from projects.security.config import Assumer
from shared.graph import LAYERS, project
from shared.names import PHYSICAL
from shared.policies import AREAS, access, documents, exceptions, known, violations
from shared.policies.conventions import PHYSICAL_NAMES
from shared.policies.profile import is_production, is_protected
from shared.policies.resource import PROVIDER, Resource, default_tags
from shared.policies.rule import Violation
from shared.resource_types import STATEFUL
from tools.orchestrator.repository.environments import known_environments
from tools.txmon.monorepo import MONOREPO

RULES = [rule for rules in AREAS.values() for rule in rules]
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "every endpoint": ("network", {"interfaceEndpoints": get_args(EndpointService)}),
    "every service": (
        "security",
        {"consumerServices": get_args(Assumer), "producerServices": get_args(Assumer), "senders": ["role/testers"]},
    ),
    "subscriptions": (
        "monitoring",
        {
            "subscriptions": [
                {"protocol": "email", "endpoint": "team@example.com"},
                {"protocol": "https", "endpoint": "https://pager.example.com/1", "receives": "pages"},
            ]
        },
    ),
}
"""Settings in no committed stack file that change resources or statements; run with production's stack file."""

PROGRAMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{f"{layer}-{env}": (layer, env, {}) for layer in LAYERS for env in known_environments(MONOREPO)},
    **{f"{layer} with {option}": (layer, "prod", config) for option, (layer, config) in OPTIONS.items()},
}
"""Layer, environment and further settings."""

NEVER_CREATED = {"TXMON.11"}
"""Rules for types that must not be created."""


@pytest.fixture(scope="session")
def resources(run_layer) -> Callable[[str], list[Resource]]:
    """Return a function from a program to its resources as the rules see them."""

    @cache
    def of(program: str) -> list[Resource]:
        layer, env, config = PROGRAMS[program]
        set_all_config(
            {}, [f"{project(layer)}:{key}" for key in config]
        )  # as secrets, which subscriptions have to be
        run = run_layer(layer, env, **({"config": config} if config else {}))
        set_all_config({}, [])
        [provider] = run.all(PROVIDER)
        return [
            Resource(
                type=made.typ,
                name=made.name,
                inputs=made.inputs,
                protect=made.name in run.protected,
                production=is_production(project(layer), env),
                default_tags=default_tags(provider.inputs["defaultTags"]),
                accounts=frozenset({"123456789012"}),  # of the mocks
                property_dependencies=run.uses[made.typ, made.name],
            )
            for made in run.resources
        ]

    return of


@pytest.fixture(scope="session")
def found(resources) -> list[Violation]:
    """Return all violations of all programs, including accepted ones."""
    return [
        violation
        for program in PROGRAMS
        for one in resources(program)
        for rule in RULES
        for violation in rule.violations(one, resources(program))
    ]


@pytest.mark.parametrize("program", PROGRAMS)
def test_layers_have_no_violations_but_accepted_ones(resources, program: str) -> None:
    found = [
        f"{one.name} violates {violation.sentence}"
        for one in resources(program)
        for violation in violations(one, RULES, resources(program))
    ]
    assert found == []


def test_every_rule_applies_to_a_resource_of_a_layer(resources) -> None:
    made = {one.type for program in PROGRAMS for one in resources(program)}
    idle = {rule.control for rule in RULES if not any(map(rule.applies_to, made))}
    assert idle == NEVER_CREATED


def test_every_type_without_rules_is_used_and_has_no_rule(resources) -> None:
    made = {one.type for program in PROGRAMS for one in resources(program)}
    assert made >= known.TYPES_WITHOUT_RULES.keys()
    assert known.TYPES_WITHOUT_RULES.keys().isdisjoint(type_ for rule in RULES for type_ in rule.types)


def test_every_physical_name_is_checked_by_the_convention(resources) -> None:
    keys = {"name", "identifier", "replicationGroupId", "alarmName", "dashboardName"}
    named = {
        (one.type, key)
        for program in PROGRAMS
        for one in resources(program)
        for key in keys & one.inputs.keys()
        for ours in PHYSICAL.values()
        if re.fullmatch(rf"{re.escape(ours.format(one.suffix))}([-/].*)?", str(one.inputs[key]))
    }
    queries = "aws:cloudwatch/queryDefinition:QueryDefinition"  # chosen from a list, never typed
    assert named - {(queries, "name")} == set(PHYSICAL_NAMES.items())


def test_production_protects_exactly_the_stateful_types(resources) -> None:
    made = [one for layer in LAYERS for one in resources(f"{layer}-prod")]
    assert {one.type for one in made if one.protect} == set(STATEFUL)
    assert all(one.protect for one in made if one.type in STATEFUL)


NO_GRANT = {"archivePolicy", "deliveryPolicy", "filterPolicy", "redriveAllowPolicy", "redrivePolicy", "replayPolicy"}
"""Policies about keeping and delivering messages, which grant nothing."""


def test_every_policy_input_of_a_known_type_is_checked() -> None:
    types = {type_ for rule in RULES for type_ in rule.types if type_.startswith("aws:")}
    checked = {
        (type_, path.partition(".")[0])
        for inputs in (*documents.ALL_POLICIES, access.ATTACHMENTS)
        for type_, path in inputs.items()
    }
    unchecked = {(type_, name) for type_ in types for name in policies(type_)} - checked
    assert {name for _, name in unchecked} == NO_GRANT


def policies(type_: str) -> list[str]:
    """Return the inputs of a type that the SDK calls policies."""
    _, path, name = type_.split(":")
    folder, file = path.replace("lambda/", "lambda_/").split("/")
    module = import_module(f"pulumi_aws.{folder}.{re.sub('[A-Z]', lambda letter: f'_{letter[0].lower()}', file)}")
    getters = [each.fget for each in vars(vars(module)[f"{name}Args"]).values() if isinstance(each, property)]
    called = {
        vars(getter)["_pulumi_name"]: str(getter.__annotations__["return"])
        for getter in getters
        if re.search("polic(y|ies|y_document|y_arns?)$", getter.__name__)
    }
    return [name for name, kind in called.items() if "bool" not in kind]


@pytest.mark.parametrize("exception", exceptions.EXCEPTIONS, ids=lambda one: f"{one.control} {one.resource}")
def test_every_exception_is_needed(found, exception: exceptions.Accepted) -> None:
    covered = [violation for violation in found if exception.covers(violation)]
    assert covered, "no longer needed"
    assert {violation.resource.production for violation in covered} >= {exception.production}


@pytest.mark.parametrize("exception", exceptions.EXCEPTIONS, ids=lambda one: f"{one.control} {one.resource}")
def test_every_exception_has_a_reason(exception: exceptions.Accepted) -> None:
    assert len(exception.reason) > len("destroyable")


def test_exceptions_for_development_do_not_hold_in_production(resources) -> None:
    [database] = [one for one in resources("data-dev") if one.type == "aws:rds/instance:Instance"]
    strict = Resource(**{**vars(database), "production": True})
    violated = {violation.rule.control for violation in violations(strict, RULES)}
    assert violated == {"RDS.6", "RDS.8", "RDS.11", "TXMON.16", "TXMON.24"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("config:\n  txmon-data:protect: false\n", False),
        ('config:\n  txmon-data:protect: "false"\n', False),
        ("config:\n  protect: false\n", False),
        ("config:\n  txmon-data:protect: true\n", True),
        ("config:\n  txmon-network:protect: false\n", True),
        ("config:\n  protect: true\n  txmon-data:protect: false\n", True),
        ("", True),
        ("config: [protect]\n", True),
        ("- protect: false\n", True),
        ("config:\n  protect: false\n  broken", True),
        ("config:\n  protect: false\n  expires: 2026-13-01\n", True),
        (b"config:\n  protect: false # \xff\n", True),
    ],
)
def test_stack_is_protected_unless_its_own_file_says_otherwise(
    tmp_path: Path, content: str | bytes, expected: bool
) -> None:
    file = tmp_path / "Pulumi.one.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert is_protected(file, "txmon-data") is expected


def test_only_protected_or_undeclared_stacks_are_production() -> None:
    assert is_production("txmon-data", "prod")
    assert is_production("txmon-data", "no-such-file")
    assert is_production("another-project", "dev")
    assert not is_production("txmon-data", "dev")
