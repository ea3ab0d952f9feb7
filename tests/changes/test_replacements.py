"""Every resource behind an output is replaced: what docs/changes.md says is what happens to the other layers."""

import pytest

from tests.support.changes import Profiles, check_replacement
from tests.support.cost_table import Replacement, replacements

pytestmark = pytest.mark.slow
PROFILE = "dev"


@pytest.mark.parametrize("replacement", replacements(), ids=lambda replacement: replacement.id)
def test_a_replacement_does_to_the_readers_what_the_page_says(profiles: Profiles, replacement: Replacement) -> None:
    check_replacement(profiles, replacement)
