"""No secret comes out: homes, state, keys, other worktrees, environments, descriptors, git."""

import pytest

from support import breakout
from support.attacks.kit import Attempt

pytestmark = pytest.mark.needs_host


@pytest.mark.parametrize(("attempt", "user"), breakout.unconfined("secrets"))
def test_it_works_where_nothing_confines_it(
    attempt: Attempt, user: str, request: pytest.FixtureRequest
) -> None:
    """An attempt that never works proves nothing when it fails."""
    breakout.check_it_works(request.session, attempt, user)


@pytest.mark.parametrize(("attempt", "mechanism", "user"), breakout.confined("secrets"))
def test_it_has_no_effect_in_a_sandbox(
    attempt: Attempt, mechanism: str, user: str, request: pytest.FixtureRequest
) -> None:
    """The effect is what counts: what changed, what was heard, what came out, what lives on."""
    breakout.check_it_fails(request.session, attempt, mechanism, user)
