"""What a district may choose: it can only narrow the hours the law leaves open (LAW-21)."""

from datetime import time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from bot.clock import Window
from bot.policy import Policy
from tests.builders import FRIDAY

HARTFORD = ZoneInfo("America/New_York")


def test_the_defaults_leave_the_school_day_for_questions_and_the_evening_for_answers() -> None:
    policy = Policy()

    assert policy.automatic(HARTFORD) == Window(time(8), time(18), HARTFORD)
    assert policy.replies(HARTFORD) == Window(time(8), time(21), HARTFORD)
    assert policy.office(HARTFORD) == Window(time(8), time(16), HARTFORD)


@given(opens=st.times(), closes=st.times(), reply_closes=st.times())
def test_no_choice_lets_a_text_leave_at_night(opens: time, closes: time, reply_closes: time) -> None:
    """LAW-21: at 7:59 and at 20:00, and for answers at 21:00, nothing automatic may leave."""
    policy = Policy(window_opens=opens, window_closes=closes, reply_closes=reply_closes)

    for window, last in ((policy.automatic(HARTFORD), time(20)), (policy.replies(HARTFORD), time(21))):
        widest = Window(time(8), last, HARTFORD)
        start, end = widest.on(FRIDAY)
        for moment in (
            start - timedelta(seconds=1),
            end,
            end + timedelta(hours=2),
            start - timedelta(hours=4),
        ):
            assert not window.contains(moment)


@given(opens=st.times(time(8), time(13)), closes=st.times(time(14), time(20)))
def test_a_district_may_narrow_its_hours(opens: time, closes: time) -> None:
    window = Policy(window_opens=opens, window_closes=closes).automatic(HARTFORD)

    assert (window.opens, window.closes) == (opens, closes)
