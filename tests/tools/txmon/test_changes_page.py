"""The page of changes names every setting of every layer and every output that a layer reads."""

import pytest

from tests.support.cost_table import changes, replacements
from tools.txmon.layers import config_class, contract_outputs
from tools.txmon.monorepo import MONOREPO

COMMON = {"contract_version", "region", "environment_suffix"}
"""Outputs of every contract, which no resource provides."""


@pytest.mark.parametrize("profile", ["dev", "prod"])
@pytest.mark.parametrize("layer", MONOREPO.layers)
def test_the_page_has_a_change_of_every_setting(layer: str, profile: str) -> None:
    settings = {field.alias for field in config_class(layer).model_fields.values()}
    assert {change.setting for change in changes(profile) if change.layer == layer} == settings


@pytest.mark.parametrize("layer", [layer for layer in MONOREPO.layers if MONOREPO.readers(layer)])
def test_the_page_has_a_replacement_behind_every_output(layer: str) -> None:
    outputs = {output for replaced in replacements() if replaced.layer == layer for output in replaced.outputs}
    assert outputs == contract_outputs(layer).keys() - COMMON
