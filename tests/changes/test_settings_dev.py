"""Every setting in development's profile: what docs/changes.md says about a change is what happens."""

import pytest

from tests.support.changes import Profiles, check
from tests.support.cost_table import Change, changes

pytestmark = pytest.mark.slow
PROFILE = "dev"


@pytest.mark.parametrize("change", changes(PROFILE), ids=lambda change: change.id)
def test_a_change_does_what_the_page_says_and_can_be_undone(profiles: Profiles, change: Change) -> None:
    check(profiles, change)
