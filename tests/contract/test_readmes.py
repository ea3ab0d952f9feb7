"""The tables in the READMEs say what the code does."""

import pytest

from shared.documentation import readme, written
from shared.layers import deploy_order


@pytest.mark.parametrize("layer", deploy_order())
def test_the_tables_of_a_readme_are_current(layer: str) -> None:
    assert readme(layer).read_text() == written(layer)


@pytest.mark.parametrize("layer", deploy_order())
def test_a_readme_tells_how_the_layers_team_deploys_it(layer: str) -> None:
    text = readme(layer).read_text()
    assert f"./inv up {layer}" in text
    assert "pulumi up -s local" in text
