"""The suite is as large as it claims, and its lists name attempts that are there."""

from support import breakout, breakout_known


def test_a_third_of_the_attempts_was_written_before_any_sandbox_was_tried() -> None:
    """Who has seen the defence writes the attacks that it stops."""
    all_of_them = {one.id for topic in breakout.TOPICS for one in breakout.of_topic(topic)}

    assert len(all_of_them) >= 75
    assert all_of_them >= breakout.WRITTEN_FIRST
    assert len(breakout.WRITTEN_FIRST) * 3 >= len(all_of_them)


def test_what_is_known_to_work_is_an_attempt() -> None:
    """A reason for something that is not tried hides nothing, but lies."""
    all_of_them = {one.id for topic in breakout.TOPICS for one in breakout.of_topic(topic)}

    assert breakout_known.names() <= all_of_them
