"""Every layer in every environment against the rules: what the pack will say, without an engine."""

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, get_args

import pytest
from pulumi.runtime import set_all_config

from projects.network.config import EndpointService
from projects.security.config import Assumer
from shared.environments import known_environments
from shared.graph import LAYERS, project
from shared.names import PHYSICAL
from shared.policies import AREAS, access, documents, exceptions, known, violations
from shared.policies.conventions import PHYSICAL_NAMES
from shared.policies.profile import is_production
from shared.policies.resource import PROVIDER, Resource, default_tags
from shared.policies.rule import Violation
from shared.resource_types import STATEFUL

RULES = [rule for rules in AREAS.values() for rule in rules]
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "every endpoint": ("network", {"interfaceEndpoints": get_args(EndpointService)}),
    "every service": (
        "security",
        {"consumerServices": get_args(Assumer), "producerServices": get_args(Assumer)},
    ),
    "subscriptions": (
        "monitoring",
        {
            "subscriptions": [
                {"protocol": "email", "endpoint": "team@example.com"},
                {"protocol": "https", "endpoint": "https://pager.example.com/1", "paging": True},
            ]
        },
    ),
}
"""Settings that no committed stack file gives, of those that make other resources or statements: for production."""

PROGRAMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{f"{layer}-{env}": (layer, env, {}) for layer in LAYERS for env in known_environments()},
    **{f"{layer} with {option}": (layer, "prod", config) for option, (layer, config) in OPTIONS.items()},
}
"""Layer, environment and further settings."""

NEVER_MADE = {"TXMON.11"}
"""Rules about what must not be there at all."""


@pytest.fixture(scope="session")
def resources(run_layer) -> Callable[[str], list[Resource]]:
    """The resources that a program registers, as the rules see them."""

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
    """Every violation there is, accepted ones included."""
    return [
        violation
        for program in PROGRAMS
        for one in resources(program)
        for rule in RULES
        for violation in rule.violations(one, resources(program))
    ]


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_breaks_a_rule_unless_it_is_accepted(resources, program: str) -> None:
    said = [
        f"{one.name} breaks {violation.sentence}"
        for one in resources(program)
        for violation in violations(one, RULES, resources(program))
    ]
    assert said == []


def test_every_rule_looks_at_something_that_is_made(resources) -> None:
    made = {one.type for program in PROGRAMS for one in resources(program)}
    idle = {rule.control for rule in RULES if not any(map(rule.applies_to, made))}
    assert idle == NEVER_MADE


def test_every_harmless_type_is_made_and_no_rule_looks_at_it(resources) -> None:
    made = {one.type for program in PROGRAMS for one in resources(program)}
    assert made >= known.TYPES_WITHOUT_RULES.keys()
    assert known.TYPES_WITHOUT_RULES.keys().isdisjoint(type_ for rule in RULES for type_ in rule.types)


def test_every_type_that_bears_a_name_of_ours_is_held_to_the_convention(resources) -> None:
    keys = {"name", "identifier", "replicationGroupId", "alarmName", "dashboardName"}
    bearing = {
        (one.type, key)
        for program in PROGRAMS
        for one in resources(program)
        for key in keys & one.inputs.keys()
        for ours in PHYSICAL.values()
        if re.fullmatch(rf"{re.escape(ours.format(one.suffix))}([-/].*)?", str(one.inputs[key]))
    }
    queries = "aws:cloudwatch/queryDefinition:QueryDefinition"  # found in a list, typed by nobody
    assert bearing - {(queries, "name")} == set(PHYSICAL_NAMES.items())


def test_what_is_protected_in_production_is_what_holds_state(resources) -> None:
    made = [one for layer in LAYERS for one in resources(f"{layer}-prod")]
    assert {one.type for one in made if one.protect} == set(STATEFUL)
    assert all(one.protect for one in made if one.type in STATEFUL)


NO_GRANT = {"archivePolicy", "deliveryPolicy", "filterPolicy", "redriveAllowPolicy", "redrivePolicy", "replayPolicy"}
"""How messages are kept and delivered."""


def test_no_type_that_a_rule_knows_carries_a_policy_that_is_not_judged() -> None:
    types = {type_ for rule in RULES for type_ in rule.types if type_.startswith("aws:")}
    judged = {
        (type_, path.partition(".")[0])
        for inputs in (*documents.ALL_POLICIES, access.ATTACHMENTS)
        for type_, path in inputs.items()
    }
    unjudged = {(type_, name) for type_ in types for name in policies(type_)} - judged
    assert {name for _, name in unjudged} == NO_GRANT


def policies(type_: str) -> list[str]:
    """The inputs of a type that are called policies, as the SDK has them."""
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
def test_every_exception_is_needed_where_it_is_given(found, exception: exceptions.Accepted) -> None:
    covered = [violation for violation in found if exception.covers(violation)]
    assert covered, "nothing needs it any more"
    assert {violation.resource.production for violation in covered} >= {exception.production}


@pytest.mark.parametrize("exception", exceptions.EXCEPTIONS, ids=lambda one: f"{one.control} {one.resource}")
def test_every_exception_has_its_reason(exception: exceptions.Accepted) -> None:
    assert len(exception.reason) > len("destroyable")


def test_what_development_accepts_is_not_accepted_in_production(resources) -> None:
    [database] = [one for one in resources("data-dev") if one.type == "aws:rds/instance:Instance"]
    strict = Resource(**{**vars(database), "production": True})
    broken = {violation.rule.control for violation in violations(strict, RULES)}
    assert broken == {"RDS.6", "RDS.8", "RDS.11", "TXMON.16", "TXMON.24"}


def test_protected_stacks_and_those_nobody_has_declared_are_production(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("shared.environments.PROJECTS", tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()

    def production(env: str, config: str) -> bool:
        (folder / f"Pulumi.{env}.yaml").write_text(config)
        return is_production("txmon-data", env)

    assert not production("one", "config:\n  txmon-data:protect: false\n")
    assert not production("two", 'config:\n  txmon-data:protect: "false"\n')
    assert not production("bare", "config:\n  protect: false\n")
    assert production("three", "config:\n  txmon-data:protect: true\n")
    assert production("four", "config:\n  txmon-network:protect: false\n")
    assert production("five", "")
    assert is_production("txmon-data", "no-such-file")
