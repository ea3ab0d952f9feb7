"""The outputs that the flow's verbs read are those that the layers export."""

import re
from pathlib import Path

import pytest

from shared.contracts import CONTRACTS
from tools.txmon import flow

READ = sorted(
    found
    for source in Path(flow.__path__[0]).glob("*.py")
    for found in re.findall(r'output\(\s*"(\w+)", "(\w+)"\s*\)', source.read_text(encoding="utf-8"))
)


@pytest.mark.parametrize(("layer", "name"), READ)
def test_an_output_that_a_verb_reads_is_in_the_layers_contract(layer: str, name: str) -> None:
    assert name in CONTRACTS[layer].outputs()


def test_the_outputs_are_found_in_the_source() -> None:
    assert ("streaming", "kinesis_stream_arn") in READ
    assert ("processing", "consumer_function_arn") in READ
