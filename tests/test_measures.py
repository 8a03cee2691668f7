"""Days enrolled and absent, tiers, streaks and marks; told once; and a whole year counted twice."""

import csv
import itertools
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, insert, select
from sqlalchemy.orm import Session

from bot import measures
from bot.cli import presente
from bot.cli.measuring import hide
from bot.measures import Crossing, Standing, Tier
from bot.roster import import_attendance, import_roster
from bot.store.session import Database
from bot.store.tables import (
    AttendanceMark,
    CalendarDay,
    Excuse,
    MarkStatus,
    School,
    Student,
    Threshold,
    ThresholdRaised,
)
from tests.builders import NOW, a_file, a_school, a_student, absent
from tests.conftest import ROOT

SAMPLE = ROOT / "sample" / "grandbend"
FIRST = date(2021, 8, 23)  # a Monday
YEAR = [day for n in range(20 * 7) if (day := FIRST + timedelta(days=n)).weekday() < 5]


def mark(
    session: Session, student: Student, day: date, status: MarkStatus, excuse: Excuse = Excuse.UNKNOWN
) -> None:
    session.add(
        AttendanceMark(
            student_id=student.id,
            school_id=student.school_id,
            day=day,
            status=status,
            excuse=excuse,
            code="",
            import_id=a_file(session).id,
            marked_at=NOW,
        )
    )
    session.flush()


def misses(session: Session, student: Student, *places: int, excuse: Excuse = Excuse.UNEXCUSED) -> None:
    for place in places:
        absent(session, student, day=YEAR[place], excuse=excuse)


def where(session: Session, student: Student, place: int) -> Standing:
    (standing,) = measures.standings(session, YEAR[place], students=[student.id])
    return standing


def told(session: Session, place: int, since: date | None = None) -> list[tuple[Threshold, date]]:
    return [(each.threshold, each.reached_on) for each in measures.crossed(session, YEAR[place], since=since)]


# --- days and rates -----------------------------------------------------------------------------------------


def test_law_52_every_whole_day_missed_counts_and_no_part_of_one(database: Database) -> None:
    """LAW-52: excused, unexcused and disciplinary count; who came for half the day was in attendance."""
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 0, excuse=Excuse.EXCUSED)
        misses(session, student, 1, 2, excuse=Excuse.UNEXCUSED)
        misses(session, student, 3, excuse=Excuse.DISCIPLINARY)
        misses(session, student, 4, excuse=Excuse.EXEMPT)
        for place, status in enumerate((MarkStatus.TARDY, MarkStatus.EARLY_DEPARTURE, MarkStatus.PARTIAL), 5):
            mark(session, student, YEAR[place], status)

        standing = where(session, student, 19)

    assert (standing.excused, standing.unexcused, standing.disciplinary) == (1, 2, 1)
    assert (standing.absent, standing.enrolled, standing.rate) == (4, 20, 0.2)


def test_an_absence_that_nobody_has_explained_is_unexcused(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 0, excuse=Excuse.UNKNOWN)

        assert where(session, student, 0).unexcused == 1


@pytest.mark.parametrize(
    ("absent", "enrolled", "expected", "chronic"),
    [
        (0, 0, Tier.SATISFACTORY, False),
        (4, 81, Tier.SATISFACTORY, False),
        (4, 80, Tier.AT_RISK, False),
        (9, 91, Tier.AT_RISK, False),
        (9, 90, Tier.MODERATE, True),
        (16, 81, Tier.MODERATE, True),
        (16, 80, Tier.SEVERE, True),
    ],
)
def test_a_tier_begins_exactly_at_its_percent(
    absent: int, enrolled: int, expected: Tier, chronic: bool
) -> None:
    """LAW-52: a tenth is chronic, however a fraction is stored."""
    standing = Standing(1, 1, FIRST, enrolled, absent, 0, 0, 0, 0, ())

    assert (standing.tier, standing.chronic) == (expected, chronic)


def test_ct_4_only_days_on_which_the_school_teaches_are_counted(database: Database) -> None:
    """CT-4, ED-3: no weekend, no closed day, and no mark that stands on one."""
    with database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        session.get_one(CalendarDay, (school.id, YEAR[3])).instructional = False
        session.flush()
        misses(session, student, 3)
        absent(session, student, day=FIRST + timedelta(days=5))

        standing = where(session, student, 9)

    assert (standing.enrolled, standing.absent) == (9, 0)


def test_a_student_is_enrolled_from_the_first_day_that_is_known(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 4, 10)
        came_late = {student.id: YEAR[10]}

        (standing,) = measures.standings(session, YEAR[12], first_days=came_late)
        (before,) = measures.standings(session, YEAR[9], first_days=came_late)

    assert (standing.enrolled, standing.absent) == (3, 1)
    assert (before.enrolled, before.absent, before.streak, before.rate) == (0, 0, 0, 0)


def test_or_8_a_new_school_year_begins_from_nothing(database: Database) -> None:
    """OR-8: a year is named by the one in which it ends."""
    with database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        misses(session, student, 0, 1)
        session.add_all(
            CalendarDay(school_id=school.id, day=date(2022, 8, day), instructional=True) for day in (29, 30)
        )
        session.flush()

        (standing,) = measures.standings(session, date(2022, 8, 30))

    assert (standing.enrolled, standing.absent) == (2, 0)
    assert [measures.school_year(day) for day in (date(2022, 6, 30), date(2022, 7, 1))] == [2022, 2023]


def test_who_has_left_and_whose_school_has_closed_are_not_counted(database: Database) -> None:
    with database.begin() as session:
        here, closed = a_school(session), a_school(session, "Closed")
        student, left = a_student(session, here), a_student(session, here, "Luis")
        a_student(session, closed, "Noor")
        elsewhere = a_student(session, a_school(session, "Other"), "Omar")
        misses(session, left, 0)
        left.active = closed.active = False
        session.flush()

        everybody = measures.standings(session, YEAR[5])
        ours = measures.standings(session, YEAR[5], schools=[here.id])

    assert [each.student_id for each in everybody] == [student.id, elsewhere.id]
    assert [each.student_id for each in ours] == [student.id]


def test_a_school_without_a_calendar_has_nobody_enrolled(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session, weeks=0))
        misses(session, student, 0)

        standing = where(session, student, 0)

    assert (standing.enrolled, standing.absent, standing.rate, standing.chronic) == (0, 0, 0.0, False)


# --- streaks and truancy ------------------------------------------------------------------------------------


def test_a_streak_goes_on_through_weekends_and_holidays(database: Database) -> None:
    with database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        session.get_one(CalendarDay, (school.id, YEAR[5])).instructional = False  # a Monday
        session.flush()
        misses(session, student, 2, 4, 6)

        assert where(session, student, 6).streak == 2
        assert measures.standings(session, YEAR[4] + timedelta(days=2))[0].streak == 1  # asked on Sunday
        misses(session, student, 3, excuse=Excuse.EXCUSED)
        assert where(session, student, 6).streak == 4
        assert where(session, student, 7).streak == 0


def test_law_52_the_marks_of_truancy_and_the_tenth_school_day_after(database: Database) -> None:
    with database.begin() as session:
        school = a_school(session)
        student = a_student(session, school)
        september = [place for place, day in enumerate(YEAR) if day.month == 9]
        session.get_one(CalendarDay, (school.id, YEAR[september[8]])).instructional = False
        session.flush()
        misses(session, student, 0, 1, 2, excuse=Excuse.UNEXCUSED)
        misses(session, student, 3, 4, excuse=Excuse.EXCUSED)
        misses(session, student, *september[:6], excuse=Excuse.UNEXCUSED)

        standing = where(session, student, september[5])
        assert (standing.unexcused, standing.unexcused_in_month) == (9, 6)
        (four,) = standing.truancy
        # Ten school days after, and one more for the day on which the school was closed.
        assert (four.threshold, four.reached_on) == (Threshold.FOUR_IN_A_MONTH, YEAR[september[3]])
        assert four.meeting_by == YEAR[september[3] + 11]

        misses(session, student, len(YEAR) - 1)
        ten = where(session, student, len(YEAR) - 1).truancy[-1]
        assert (ten.threshold, ten.reached_on) == (Threshold.TEN_IN_A_YEAR, YEAR[-1])
        assert ten.meeting_by is None  # the calendar knows no further school day


def test_four_absences_in_two_months_are_no_mark(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session))
        last_of_august = sum(day.month == 8 for day in YEAR) - 1
        misses(session, student, *range(last_of_august - 2, last_of_august + 2))

        assert where(session, student, last_of_august + 5).truancy == ()


# --- crossings ----------------------------------------------------------------------------------------------


def test_a_third_day_in_a_row_is_crossed_on_that_day_alone(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 3, 4, 5, 6, excuse=Excuse.EXCUSED)

        assert [told(session, place) for place in (4, 5, 6)] == [
            [],
            [(Threshold.THREE_IN_A_ROW, YEAR[5])],
            [],
        ]


def test_a_rate_speaks_from_the_twentieth_day_on(database: Database) -> None:
    """A day missed in the first week is a rate of twenty percent and says nothing yet."""
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 0, 5)

        assert [told(session, place) for place in (0, 5, 18)] == [[], [], []]
        assert told(session, 19) == [(Threshold.CHRONIC, YEAR[19])]
        assert told(session, 20) == []


def test_a_tier_is_crossed_upward_only_and_by_its_highest_name(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 0, excuse=Excuse.EXCUSED)  # 1 of 20, at risk; 1 of 21 no more
        misses(session, student, 24, 30, 32, 34, 36, 38, 40, 42, excuse=Excuse.EXCUSED)

        found = told(session, 45, since=YEAR[0])

    assert found == [
        (Threshold.AT_RISK, YEAR[19]),
        (Threshold.AT_RISK, YEAR[24]),  # 2 of 25, after a day in between with 1 of 24
        (Threshold.CHRONIC, YEAR[32]),  # 4 of 33
        (Threshold.SEVERE, YEAR[42]),  # 9 of 43
    ]


def test_a_crossing_of_truancy_says_by_when_the_parent_is_met(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 0, 2, 4, 6)  # August

        (crossing,) = measures.crossed(session, YEAR[6])

    assert crossing == Crossing(
        student.id, student.school_id, Threshold.FOUR_IN_A_MONTH, "2021-08", YEAR[6], YEAR[16]
    )


def test_what_was_told_is_told_no_more(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 3, 4, 5)
        first = measures.raise_once(session, measures.crossed(session, YEAR[5]), NOW)
    with database.begin() as session:
        again = measures.raise_once(session, measures.crossed(session, YEAR[5]), NOW)
        misses(session, student, 8, 9, 10)
        another = measures.raise_once(session, measures.crossed(session, YEAR[10], since=YEAR[0]), NOW)

    assert [each.threshold for each in first] == [Threshold.THREE_IN_A_ROW]
    assert again == []
    assert [(each.threshold, each.period) for each in another] == [
        (Threshold.THREE_IN_A_ROW, YEAR[8].isoformat())
    ]


def test_a_tier_below_one_that_was_told_is_told_no_more_this_year(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session))
        severe = Crossing(student.id, student.school_id, Threshold.SEVERE, "2022", YEAR[30])
        lower = Crossing(student.id, student.school_id, Threshold.CHRONIC, "2022", YEAR[60])
        next_year = Crossing(student.id, student.school_id, Threshold.CHRONIC, "2023", date(2022, 10, 3))

        assert measures.raise_once(session, [severe, severe], NOW) == [severe]
        assert measures.raise_once(session, [lower, next_year], NOW) == [next_year]


def test_a_corrected_day_is_found_by_looking_some_days_back(database: Database) -> None:
    """Promise 8: the mark of Tuesday comes on Thursday."""
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 3, 5)
        seen = measures.raise_once(session, measures.crossed(session, YEAR[5]), NOW)
        misses(session, student, 4)

        assert seen == []
        assert told(session, 7) == []
        assert told(session, 7, since=YEAR[2]) == [(Threshold.THREE_IN_A_ROW, YEAR[5])]


def test_what_was_told_stays_told_when_the_mark_is_corrected(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 3, 4, 5)
        measures.raise_once(session, measures.crossed(session, YEAR[5]), NOW)
        for each in session.scalars(select(AttendanceMark)):
            each.superseded_at = NOW
        session.flush()

        assert measures.crossed(session, YEAR[5]) == []
        (kept,) = session.scalars(select(ThresholdRaised))
        assert (kept.threshold, kept.reached_on, kept.raised_at) == (Threshold.THREE_IN_A_ROW, YEAR[5], NOW)


def test_four_workers_that_find_the_same_tell_it_once(database: Database) -> None:
    with database.begin() as session:
        student = a_student(session, a_school(session))
        misses(session, student, 0, 1, 2, 3)

    def tells(_worker: int) -> int:
        with database.begin() as session:
            crossings = measures.crossed(session, YEAR[3], since=YEAR[0])
            return len(measures.raise_once(session, crossings, NOW))

    with ThreadPoolExecutor(4) as workers:
        assert sorted(workers.map(tells, range(4))) == [0, 0, 0, 2]


def test_a_district_is_three_queries_whatever_its_size(sqlite: Database) -> None:
    asked: list[str] = []
    with sqlite.begin() as session:
        for school in (a_school(session), a_school(session, "Other School")):
            misses(session, a_student(session, school), 0, 1, 2)
            a_student(session, school, "Luis")
    event.listen(sqlite.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with sqlite.look() as session:
        assert len(measures.standings(session, YEAR[5])) == 4
        assert len(measures.crossed(session, YEAR[2])) == 2

    assert len([words for words in asked if words.startswith("SELECT")]) == 6


# --- properties ---------------------------------------------------------------------------------------------

places = st.integers(0, 59)
marks = st.dictionaries(
    places,
    st.tuples(st.sampled_from(MarkStatus), st.sampled_from(Excuse))
    | st.just((MarkStatus.ABSENT, Excuse.UNEXCUSED)),
    max_size=45,
)


def write(session: Session, student: Student, given: list[tuple[int, tuple[MarkStatus, Excuse]]]) -> None:
    file = a_file(session)
    for place, (status, excuse) in given:
        session.execute(
            insert(AttendanceMark).values(
                student_id=student.id,
                school_id=student.school_id,
                day=FIRST + timedelta(days=place),  # weekends too
                status=status,
                excuse=excuse,
                code="",
                import_id=file.id,
                marked_at=NOW,
            )
        )


def whole_year(session: Session, student: Student, last: int) -> tuple[Standing, list[Crossing]]:
    day = FIRST + timedelta(days=last)
    (standing,) = measures.standings(session, day, students=[student.id])
    crossings = [
        each for each in measures.crossed(session, day, since=FIRST) if each.student_id == student.id
    ]
    return standing, crossings


@given(given_marks=marks, last=places, shuffled=st.randoms(use_true_random=False))
def test_the_order_of_marks_does_not_matter_and_the_parts_are_the_whole(
    sqlite: Database, given_marks: dict[int, tuple[MarkStatus, Excuse]], last: int, shuffled: object
) -> None:
    items = list(given_marks.items())
    other_way = list(items)
    shuffled.shuffle(other_way)  # type: ignore[attr-defined]
    with sqlite.begin(undo=True) as session:
        school = a_school(session)
        one, other = a_student(session, school), a_student(session, school)
        write(session, one, items)
        write(session, other, other_way)

        standing, crossings = whole_year(session, one, last)
        same, same_crossings = whole_year(session, other, last)

    assert standing.absent == standing.excused + standing.unexcused + standing.disciplinary
    assert standing.streak <= standing.absent <= standing.enrolled
    assert standing.unexcused_in_month <= standing.unexcused
    assert 0 <= standing.rate <= 1
    assert standing.rate == same.rate
    assert (standing.streak, standing.truancy) == (same.streak, same.truancy)
    assert [(c.threshold, c.period, c.reached_on) for c in crossings] == [
        (c.threshold, c.period, c.reached_on) for c in same_crossings
    ]


@given(given_marks=marks, last=places, extra=places, excuse=st.sampled_from(Excuse))
def test_another_absence_lowers_nothing_and_its_correction_changes_everything_back(
    sqlite: Database,
    given_marks: dict[int, tuple[MarkStatus, Excuse]],
    last: int,
    extra: int,
    excuse: Excuse,
) -> None:
    given_marks.pop(extra, None)
    with sqlite.begin(undo=True) as session:
        student = a_student(session, a_school(session))
        write(session, student, list(given_marks.items()))
        before, crossings = whole_year(session, student, last)
        write(session, student, [(extra, (MarkStatus.ABSENT, excuse))])
        after, _ = whole_year(session, student, last)
        newest = session.scalars(select(AttendanceMark).order_by(AttendanceMark.id.desc())).first()
        assert newest is not None
        newest.superseded_at = NOW
        session.flush()
        corrected = whole_year(session, student, last)

    assert after.rate >= before.rate
    assert after.absent - before.absent in (0, 1)
    assert after.streak >= before.streak
    assert len(after.truancy) >= len(before.truancy)
    assert corrected == (before, crossings)


@given(given_marks=marks)
def test_what_is_crossed_is_crossed_on_one_day_whenever_it_is_asked(
    sqlite: Database, given_marks: dict[int, tuple[MarkStatus, Excuse]]
) -> None:
    """Asked every day, or once for all days back: the same crossings, each on a school day of its own."""
    with sqlite.begin(undo=True) as session:
        student = a_student(session, a_school(session))
        write(session, student, list(given_marks.items()))
        days = [FIRST + timedelta(days=n) for n in range(60)]
        daily = [crossing for day in days for crossing in measures.crossed(session, day)]

        assert sorted(daily, key=repr) == sorted(measures.crossed(session, days[-1], since=FIRST), key=repr)
        for crossing in daily:
            (standing,) = measures.standings(session, crossing.reached_on)
            if crossing.threshold is Threshold.CHRONIC:
                assert standing.chronic
            if crossing.threshold is Threshold.THREE_IN_A_ROW:
                assert standing.streak == 3


# --- the sample year, counted once more in plain Python -----------------------------------------------------


def the_sample(session: Session) -> None:
    now = datetime(2022, 5, 28, 13, 0, tzinfo=UTC)
    import_roster(
        session,
        SAMPLE / "oneroster.zip",
        contacts=SAMPLE / "contacts.csv",
        calendar=SAMPLE / "calendar.ics",
        zone="America/New_York",
        morning_at=time(9, 30),
        now=now,
    )
    import_attendance(session, SAMPLE / "attendance-2021-2022.csv", through=None, now=now)


def taught_days() -> list[date]:
    """The sample's school days, out of its terms and its calendar, by hand."""
    with ZipFile(SAMPLE / "oneroster.zip") as archive:
        sessions = list(csv.DictReader(archive.read("academicSessions.csv").decode().splitlines()))
    closed = set()
    for begins, ends in re.findall(
        r"DTSTART;VALUE=DATE:(\d{8})\s+DTEND;VALUE=DATE:(\d{8})", (SAMPLE / "calendar.ics").read_text()
    ):
        day = date.fromisoformat(begins)
        while day < date.fromisoformat(ends):
            closed.add(day)
            day += timedelta(days=1)
    days = set()
    for term in sessions:
        if term["type"] == "semester":
            day = date.fromisoformat(term["startDate"])
            while day < date.fromisoformat(term["endDate"]):  # exclusive (OR-8)
                days.add(day)
                day += timedelta(days=1)
    return sorted(day for day in days - closed if day.weekday() < 5)


@pytest.mark.parametrize("last", [date(2021, 10, 22), date(2021, 12, 17), date(2022, 5, 27)])
def test_the_sample_year_is_what_its_file_says(sqlite: Database, last: date) -> None:
    with sqlite.begin() as session:
        the_sample(session)
        numbers = {id_: number for id_, number in session.execute(select(Student.id, Student.number))}
        found = measures.standings(session, last)
    days = [day for day in taught_days() if day <= last]
    missed: dict[str, dict[date, str]] = defaultdict(dict)
    with (SAMPLE / "attendance-2021-2022.csv").open() as file:
        # Of two rows for a day the one that says the student came counts: it is read last.
        for row in sorted(csv.DictReader(file), key=lambda row: row["status"] != "A"):
            day = date.fromisoformat(row["date"])
            if row["status"] == "A" and day in days:
                missed[row["student_id"]][day] = row["excuse"]
            else:
                missed[row["student_id"]].pop(day, None)

    assert len(found) == 960
    for standing in found:
        theirs = missed[numbers[standing.student_id]]
        unexcused = sorted(day for day, excuse in theirs.items() if excuse == "U")
        assert standing.enrolled == len(days)
        assert (standing.absent, standing.unexcused) == (len(theirs), len(unexcused))
        assert standing.streak == len(list(itertools.takewhile(theirs.__contains__, reversed(days))))
        assert standing.chronic is (len(theirs) / len(days) >= 0.1)
        in_month = [day for day in unexcused if (day.year, day.month) == (last.year, last.month)]
        assert standing.unexcused_in_month == len(in_month)
        marked = [mark for mark in standing.truancy if mark.threshold is Threshold.TEN_IN_A_YEAR]
        assert [mark.reached_on for mark in marked] == unexcused[9:10]
        by_month: dict[tuple[int, int], list[date]] = defaultdict(list)
        for day in unexcused:
            by_month[day.year, day.month].append(day)
        fourth = [some[3] for some in by_month.values() if len(some) >= 4]
        marked = [mark for mark in standing.truancy if mark.threshold is Threshold.FOUR_IN_A_MONTH]
        assert [mark.reached_on for mark in marked] == fourth
    assert sum(standing.absent for standing in found) == sum(len(theirs) for theirs in missed.values()) > 0


def test_every_threshold_of_the_sample_year_is_told_once(sqlite: Database) -> None:
    with sqlite.begin() as session:
        the_sample(session)
        found: list[Crossing] = []
        for day in taught_days()[3::5]:  # Fridays, or nearly; the last of the year is among them
            found += measures.raise_once(
                session, measures.crossed(session, day, since=day - timedelta(days=14)), NOW
            )
        ends = {each.student_id: each for each in measures.standings(session, date(2022, 5, 27))}

    assert len({each.key for each in found}) == len(found)
    tens = {each.student_id for each in found if each.threshold is Threshold.TEN_IN_A_YEAR}
    assert tens == {
        each.student_id
        for each in ends.values()
        for mark in each.truancy
        if mark.threshold is Threshold.TEN_IN_A_YEAR
    }
    above = {each.student_id for each in found if each.threshold in (Threshold.CHRONIC, Threshold.SEVERE)}
    assert above >= {each.student_id for each in ends.values() if each.chronic}


# --- what the office sees -----------------------------------------------------------------------------------


class Office:
    """Runs `presente measures` on a database; the rest of the program stays away."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.settings = type("Settings", (), {"zone": "America/New_York"})()
        self.clock = lambda: NOW

    def measures(self, *words: str, fails: bool = False) -> str:
        done = CliRunner().invoke(presente, ["measures", *words], obj=self)
        assert (done.exit_code != 0) is fails, (done.output, done.exception)
        return done.output


def a_district(session: Session) -> School:
    """A school of forty: three severe, four moderate, twelve at risk; and one of eleven where nobody misses."""
    burns = a_school(session)
    for n in range(40):
        student = a_student(session, burns, f"Maya{n}")
        misses(session, student, *range(9 if n < 3 else 5 if n < 7 else 3 if n < 19 else 0))
    other = a_school(session, "Other School")
    for _ in range(11):
        a_student(session, other)
    return burns


def cells(page: str, name: str) -> list[str]:
    (line,) = (line for line in page.splitlines() if line.startswith(name))
    return line.removeprefix(name).split()


def test_small_groups_are_hidden_with_what_would_give_them_away(sqlite: Database) -> None:
    with sqlite.begin() as session:
        a_district(session)
    office = Office(sqlite)

    page = office.measures("--on", YEAR[39].isoformat())
    assert cells(page, "Burns School") == ["40", "21", "12", "*", "*", "*"]
    assert cells(page, "All") == ["51", "32", "12", "*", "*", "*"]
    assert "--all shows it" in page
    shown = office.measures("--on", YEAR[39].isoformat(), "--all", "--school", "Burns School")
    assert cells(shown, "Burns School") == ["40", "21", "12", "4", "3", "17.5%"]
    assert "Other School" not in shown


def test_without_a_day_it_is_today(sqlite: Database) -> None:
    with sqlite.begin() as session:
        a_district(session)

    assert Office(sqlite).measures().startswith("2021-10-22:")


def test_a_school_nobody_knows_and_a_year_nobody_has_are_said(sqlite: Database) -> None:
    with sqlite.begin() as session:
        a_district(session)
    office = Office(sqlite)

    assert "the schools are: Burns School, Other School" in office.measures("--school", "Burn", fails=True)
    assert "name a day with --on" in office.measures("--on", "2023-10-02", fails=True)


def test_or_14_the_file_has_a_line_for_every_student_and_no_formula(sqlite: Database, tmp_path: Path) -> None:
    with sqlite.begin() as session:
        school = a_school(session, "=Burns")
        student = a_student(session, school, "@Maya", "-Rivera, Ana")
        misses(session, student, 0, 1, 2, 3)
    file = tmp_path / "measures.csv"

    Office(sqlite).measures("--on", YEAR[9].isoformat(), "--csv", str(file))

    with file.open(encoding="utf-8-sig", newline="") as page:
        heads, line = csv.reader(page)
    assert len(heads) == len(line)
    assert line[1:5] == ["'@Maya", "'-Rivera, Ana", "05", "'=Burns"]
    assert line[5:] == [
        "2021-09-03", "10", "4", "0", "4", "0", "0.4000", "severe", "yes", "0", "0",
        "2021-08-26", YEAR[13].isoformat(), "", "",
    ]  # fmt: skip


@given(
    st.integers(1, 5).flatmap(
        lambda columns: st.lists(
            st.lists(st.integers(0, 40), min_size=columns, max_size=columns), min_size=1, max_size=5
        )
    )
)
def test_no_hidden_group_is_what_a_row_or_a_column_lacks(counts: list[list[int]]) -> None:
    table = [[sum(row), *row] for row in counts]
    table.append([sum(column) for column in zip(*table, strict=True)])

    hidden = hide(table)

    for row, line in enumerate(table):
        assert sum((row, column) in hidden for column in range(len(line))) != 1
        for column, n in enumerate(line):
            assert (row, column) in hidden or not 0 < n < 10
    for column in range(len(table[0])):
        assert sum((row, column) in hidden for row in range(len(table))) != 1
