"""Values as text."""

from typing import Any

import pytest

from tools.orchestrator.model.operation import UNKNOWN
from tools.orchestrator.model.values import SECRET_MARK, value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("é", "é"),
        (["é"], '["é"]'),
        (None, "none"),
        (True, "true"),
        ([], "[]"),
        (6379, "6379"),
        (["a", "b"], '["a", "b"]'),
        (UNKNOWN, "known after the deploy"),
        ([UNKNOWN], "known after the deploy"),
        ("[secret]", "[secret]"),
        ({SECRET_MARK: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}, "[secret]"),
        (
            {"user": "a", "password": {SECRET_MARK: "1", "plaintext": '"x"'}},
            '{"user": "a", "password": "[secret]"}',
        ),
    ],
)
def test_a_value_as_text(value: Any, text: str) -> None:
    assert value_text(value) == text
