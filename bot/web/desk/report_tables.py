"""The reports as tables: what each counts, said in a sentence, its numbers, and the list behind each."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import url_for

from bot.measures import Tier
from bot.reports import mornings
from bot.reports.happened import Kind
from bot.reports.mornings import Morning
from bot.reports.returning import After, Return
from bot.store.tables import ReferralState
from bot.vocabulary import Barrier
from bot.web import times, words
from bot.web.desk.report_shapes import HIDDEN, Bar, Report, Stack, Table
from bot.web.desk.report_sums import Summing, sums_hidden
from bot.web.desk.students import TIERS

RETURN = {
    Return.WITHIN_FIVE: "Back within five school days",
    Return.LATER: "Away longer",
    Return.NOT_KNOWN: "Not known yet",
}
AFTER = {After.ABSENCE: "After the first day away", After.CONTACT: "After the family was first written to"}
# Of a morning, in parts that add up: before ten, before noon, before three, that day, later, not yet.
_PARTS = ("before 10", "10 to noon", "noon to 3", "after 3", "on a later day", "not yet")


@dataclass(frozen=True)
class Maker(Summing):
    """Makes every report of one span."""

    def all(self) -> list[Report]:
        return [
            self.accounted(),
            self.chronic(),
            self.back(),
            self.barriers(),
            self.people(),
            self.casework(),
        ]

    # --- each report ----------------------------------------------------------------------------------

    def accounted(self) -> Report:
        days = self.whole.mornings
        parts = [_parts(day) for day in days]
        table = self.summed(
            "accounted_by_day",
            "Absent students by when they were accounted for, day by day.",
            ("Day", *_PARTS, "Absent"),
            [times.short_day(day.day) for day in days],
            parts,
            lambda row, _column: url_for("desk.ledger", date=days[row].day.isoformat()),
            total="All days",
            newest_first=True,
        )
        hours = _by_hour(days)
        by_hour = self.summed(
            "accounted_by_hour",
            "All days together, by the hour of the day at which a student was first accounted for.",
            ("Accounted for", "Students"),
            [label for label, _ in hours],
            [[number] for _, number in hours],
            total="Absent",
            across=False,
        )
        absent = sum(day.absent for day in days)
        bars = tuple(
            Bar(label, None if cell.secret else number / absent, cell.shown)
            for (label, number), (_, (cell,)) in zip(hours, by_hour.rows, strict=False)
            if absent
        )
        return Report(
            "accounted",
            "Accounted for, by hour and day",
            "A student is accounted for once an adult of the family or of the school has said where the student is or "
            "why: explained, already excused, or at school after all. The hour is the first at which that was so; "
            "set back, it counts as not yet. Absent are the students of the day's ledger.",
            (table, by_hour),
            bars=bars,
            bars_title="Absent students by the hour at which they were accounted for",
        )

    def chronic(self) -> Report:
        weeks = self.whole.weeks
        over_time = self.summed(
            "tiers_by_week",
            "Students by the part of school missed so far, at the end of each week.",
            ("Week of", *TIERS.values(), "Students"),
            [times.short_day(week.monday) for week in weeks],
            [list(week.counts.values()) for week in weeks],
            summed_down=False,
            newest_first=True,
        )
        found = self.whole.newest_tiers
        schools = [school for school in self.span.schools if school.id in found]
        newest = self.summed(
            "tiers_by_school",
            "Each school at the end of its newest week of these. The numbers open the list as it is today.",
            ("School", *TIERS.values(), "Students"),
            [school.name for school in schools],
            [list(found[school.id].values()) for school in schools],
            lambda row, column: _students(
                schools[row].id, list(Tier)[column] if column < len(Tier) else None
            ),
            total="All",
        )
        shown = {label: cells for label, cells in over_time.rows}
        stacks = tuple(
            Stack(
                times.short_day(week.monday),
                ()
                if any(cell.secret for cell in shown[times.short_day(week.monday)])
                else tuple((tier.value, number / week.students) for tier, number in week.counts.items()),
                f"{week.chronic / week.students:.1%} chronic".replace("%", " %")
                if not any(cell.secret for cell in shown[times.short_day(week.monday)])
                else HIDDEN,
            )
            for week in weeks
            if week.students
        )
        return Report(
            "chronic",
            "Chronic absence and tiers over time",
            "Days absent, for any reason, of the days enrolled so far this school year: 10 % and more is chronic "
            "absence. Students enrolled today, and the marks as they stand today: a week whose marks were corrected "
            "later is told as it was. In the first weeks of a year a single day weighs a lot.",
            (over_time, newest),
            stacks=stacks,
        )

    def back(self) -> Report:
        tables = []
        for after, caption in AFTER.items():
            found = self.whole.returns[after]
            schools = [
                school for school in self.span.schools if any((each, school.id) in found for each in Return)
            ]
            tables.append(
                self.summed(
                    f"back_after_{after.value}",
                    f"{caption}, by school.",
                    ("School", *RETURN.values(), "Times away"),
                    [school.name for school in schools],
                    [[found.get((each, school.id), 0) for each in Return] for school in schools],
                    lambda row, column, after=after, schools=schools: (  # type: ignore[misc]
                        self.behind(f"back_{after.value}", list(Return)[column].value, school=schools[row].id)
                        if column < len(Return)
                        else ""
                    ),
                    total="All",
                )
            )
        return Report(
            "back",
            "Back at school within five school days",
            "Each time a student began to be away on a day of this report, whole days, exempt ones left out. Back means "
            "at school on one of the five school days after the first day away, or after the first of those days on "
            "which the family was written to. Not known yet: still away, and the five days are not over.",
            tuple(tables),
        )

    def barriers(self) -> Report:
        counts = self.whole.happened[Kind.BARRIER]
        named = [each for each in Barrier if any(key == each.value for key, _ in counts.by_school)]
        labels = [words.BARRIER[each] for each in named]
        schools = [
            school for school in self.span.schools if any(of == school.id for _, of in counts.by_school)
        ]
        by_school = [
            [counts.by_school.get((each.value, school.id), 0) for school in schools] for each in named
        ]
        weeks = self.span.weeks
        by_week = [
            [counts.by_week.get((each.value, place), 0) for place in range(len(weeks))] for each in named
        ]
        # The last column is the same in both tables: what one hides the other may not show.
        one, other = self.hidden(by_school), self.hidden(by_week)
        while (totals := sums_hidden(one, by_school) ^ sums_hidden(other, by_week)) and not self.show_all:
            one = self.hidden(by_school, one | {(row, len(schools)) for row in totals})
            other = self.hidden(by_week, other | {(row, len(weeks)) for row in totals})
        return Report(
            "barriers",
            "Barriers",
            "How often families named each barrier, in a text, a call or a visit, and staff did not correct it as "
            "heard wrongly. A family that names two counts under both; the school is where the student goes now.",
            (
                self.summed(
                    "barriers_by_school",
                    "By school.",
                    ("Barrier", *(school.name for school in schools), "All"),
                    labels,
                    by_school,
                    lambda row, column: self.behind(
                        Kind.BARRIER.value,
                        named[row].value,
                        school=schools[column].id if column < len(schools) else None,
                    ),
                    hidden=one,
                    total="All",
                ),
                self.summed(
                    "barriers_by_week",
                    "By the week in which it was named.",
                    ("Barrier", *(times.short_day(monday) for monday in weeks), "All"),
                    labels,
                    by_week,
                    lambda row, column: self.behind(
                        Kind.BARRIER.value,
                        named[row].value,
                        week=weeks[column] if column < len(weeks) else None,
                    ),
                    hidden=other,
                    total="All",
                ),
            ),
        )

    def people(self) -> Report:
        replied = self.whole.replies
        languages = sorted(replied, key=lambda language: -replied[language].asked)
        table = self.summed(
            "replies",
            "Talks begun by a check-in, by language.",
            ("Language", "Family wrote", "No word yet", "Talks"),
            [language.english_name for language in languages],
            [[replied[each].answered, replied[each].asked - replied[each].answered] for each in languages],
            total="All",
        )
        waits = self.whole.waits
        rows = tuple(
            (language.english_name, self.waited(language.value, wait))
            for language, wait in sorted(
                waits.items(), key=lambda each: -(each[1].answered + each[1].waiting)
            )
        )
        long = Table(
            "time_to_a_person",
            "Cases opened on these days, by language.",
            (
                "Language",
                "Cases",
                "No person yet",
                "Office time, half",
                "Office time, nine of ten",
                "By the clock, half",
                "By the clock, nine of ten",
            ),
            rows,
        )
        return Report(
            "people",
            "Replies, and time to a person",
            "A case opens when a family needs a person; it has one from the first reply or call of a staff member on. "
            "Half of the families waited no longer than the first time, nine of ten no longer than the second: times "
            "that families really waited. Office time leaves out evenings, weekends and days without school.",
            (table, long),
        )

    def casework(self) -> Report:
        return Report(
            "casework",
            "Calls, home visits, referrals",
            "What staff wrote down on these days. A referral counts at each step it takes, on the day it takes it: "
            "received means that the help began. The school is where the student goes now.",
            (
                self.happened(
                    Kind.CALL, "Calls, by what came of them.", {e.value: s for e, s in words.CALL.items()}
                ),
                self.happened(
                    Kind.VISIT,
                    "Home visits, by what came of them.",
                    {e.value: s for e, s in words.VISIT.items()},
                ),
                self.happened(
                    Kind.REFERRAL,
                    "Referrals to partners, by the step taken.",
                    {e.value: s for e, s in words.REFERRAL.items() if e is not ReferralState.CLOSED},
                ),
            ),
        )


def _parts(day: Morning) -> list[int]:
    ten, noon, three = (day.by[mornings.HOURS.index(hour)] for hour in (10, 12, 15))
    return [ten, noon - ten, three - noon, day.that_day - three, day.later, day.still_open]


def _by_hour(days: Sequence[Morning]) -> list[tuple[str, int]]:
    """Every absent student of all days in exactly one part."""
    if not days:
        return []
    sums = [sum(day.by[n] for day in days) for n in range(len(mornings.HOURS))]
    parts = [("before 9 AM", sums[0])]
    parts += [
        (f"{_hour(before)} to {_hour(hour)}", sums[n] - sums[n - 1])
        for n, (before, hour) in enumerate(zip(mornings.HOURS, mornings.HOURS[1:], strict=False), 1)
    ]
    parts.append((f"after {_hour(mornings.HOURS[-1])}", sum(day.that_day for day in days) - sums[-1]))
    parts.append(("on a later day", sum(day.later for day in days)))
    parts.append(("not yet", sum(day.still_open for day in days)))
    return parts


def _hour(hour: int) -> str:
    return f"{hour % 12 or 12} {'AM' if hour < 12 else 'PM'}"


def _students(school: int, tier: Tier | None) -> str:
    asked = {"school": school, "tier": tier.value if tier else ""}
    return f"{url_for('desk.students')}?{urlencode({name: value for name, value in asked.items() if value})}"
