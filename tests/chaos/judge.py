"""The judge of a morning: the provider's book against the outbox, the ledger and what was known of each family."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import select

from bot import ledger, outbox
from bot.provider.standin import Entry
from bot.store.session import Database
from bot.store.tables import (
    Absence,
    Conversation,
    Delivery,
    Handoff,
    HandoffState,
    OutboundText,
    Phone,
    TextState,
)
from bot.vocabulary import NotContacted, Outcome, Purpose
from tests.chaos.district import WHY_NOT, Fact, student_of
from tests.chaos.fleet import Fleet

# What was claimed a moment before a fact was known may still leave: a wait for a thread, and one hand-over.
_ONE_HAND_OVER = timedelta(seconds=20)
_DID_NOT_ARRIVE = (Delivery.UNDELIVERED, Delivery.FAILED)


@dataclass(frozen=True)
class Known:
    """What was found out about a family, and by when it was surely known; None: perhaps never."""

    family: int
    fact: Fact
    by: datetime | None
    before: bool = False  # before anybody was asked


class Row(NamedTuple):
    """A text of the outbox."""

    id: int
    token: str
    family: int  # whose phone it is; family n has phone n
    number: str
    purpose: Purpose
    state: TextState
    why_not: str
    delivery: Delivery
    sid: str | None
    left_as: str
    claimed_at: datetime | None
    queued_at: datetime
    not_before: datetime
    attempts: int
    retry_of: int | None
    conversation: int | None

    def __str__(self) -> str:
        why = f" ({self.why_not})" if self.why_not else ""
        return (
            f"text {self.id}: {self.state}{why}, {self.delivery}, attempt {self.attempts}, "
            f"claimed {self.claimed_at:%H:%M:%S.%f}"
            if self.claimed_at
            else f"text {self.id}: {self.state}{why}, never claimed"
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that is judged: what the provider accepted, what reached a phone, and our own tables."""

    database: Database
    accepted: Sequence[Entry]
    book: Sequence[Entry]
    families: int
    refused: set[str]  # numbers that the provider refuses, because the family told it STOP
    learned: Sequence[Known]
    day: date
    rested: datetime

    @cached_property
    def rows(self) -> list[Row]:
        with self.database.begin() as session:
            found = session.execute(
                select(
                    OutboundText.id,
                    OutboundText.token,
                    OutboundText.phone_id,
                    Phone.number,
                    OutboundText.purpose,
                    OutboundText.state,
                    OutboundText.why_not,
                    OutboundText.delivery,
                    OutboundText.provider_sid,
                    OutboundText.left_as,
                    OutboundText.claimed_at,
                    OutboundText.queued_at,
                    OutboundText.not_before,
                    OutboundText.attempts,
                    OutboundText.retry_of,
                    OutboundText.conversation_id,
                )
                .join(Phone, Phone.id == OutboundText.phone_id)
                .order_by(OutboundText.id)
            )
            return [Row._make(row) for row in found]

    @cached_property
    def by_token(self) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.accepted:
            found[token_of(entry)].append(entry)
        return found

    @cached_property
    def facts(self) -> dict[int, list[Known]]:
        found: dict[int, list[Known]] = defaultdict(list)
        for known in self.learned:
            found[known.family].append(known)
        return found


def token_of(entry: Entry) -> str:
    """Ours, from the address at which the provider tells what became of the text (TW-44)."""
    return entry.status_callback.rpartition("/")[2]


def faults(case: Case) -> list[str]:
    """Every promise that was broken, as a sentence; none at best."""
    return [*texts(case), *_families(case), *_sums(case), *_handoffs(case)]


def texts(case: Case) -> list[str]:
    """What was broken of the texts alone: each that left exists once, and none is stuck."""
    return [*_once(case), *_at_rest(case)]


# --- promise 2: one text, once ----------------------------------------------------------------------------


def _once(case: Case) -> Iterator[str]:
    known = {row.token for row in case.rows}
    for token, entries in case.by_token.items():
        if token not in known:
            yield f"the provider has a text to …{entries[0].to[-4:]} that no row of ours speaks of"
    called = Counter((row.number, row.left_as) for row in case.rows if row.state is TextState.SENT)
    took = Counter((entry.to, outbox.fingerprint(entry.body)) for entry in case.accepted)
    for row in case.rows:
        entries = case.by_token.get(row.token, [])
        sent = row.state is TextState.SENT
        # The provider's list knows number, words and time (TW-60). Of two texts with the same words to one
        # number either may be taken for the other; the family reads as many of them as were to leave.
        alike = called[row.number, row.left_as]
        if sent and len(entries) != 1 and alike > 1 and alike == took[row.number, row.left_as]:
            continue
        if len(entries) > 1:
            moments = ", ".join(f"{entry.at:%H:%M:%S.%f}" for entry in entries)
            yield f"created {len(entries)} times ({moments}): {row}"
        elif sent and not entries:
            yield f"called sent, and the provider never took it: {row}"
        elif entries and not sent:
            yield f"the provider took it at {entries[0].at:%H:%M:%S.%f}, and we do not know: {row}"
        elif entries:
            yield from _the_same(row, entries[0])
    reached = Counter(entry.sid for entry in case.book)
    if len(reached) != len(case.book):
        yield "the book has a text twice"
    if not set(reached) <= {entry.sid for entry in case.accepted}:
        yield "the book has a text that was never accepted"


def _the_same(row: Row, entry: Entry) -> Iterator[str]:
    if row.sid != entry.sid:
        yield f"the provider calls it {entry.sid} and we {row.sid}: {row}"
    if row.number != entry.to:
        yield f"it went to another number: {row}"
    if row.left_as != outbox.fingerprint(entry.body):
        yield f"other words left than were claimed: {row}"


def _at_rest(case: Case) -> Iterator[str]:
    for row in case.rows:
        due = row.state is TextState.QUEUED and row.not_before <= case.rested
        if (due and row.queued_at < case.rested) or row.state in (TextState.CLAIMED, TextState.UNKNOWN):
            yield f"stuck: {row}"
        if row.state is TextState.NOT_SENT and not row.why_not:
            yield f"not sent without a reason: {row}"
        if row.retry_of is not None and row.state is not TextState.QUEUED:
            yield f"tried a second time within minutes: {row}"


# --- promise 4, and the ledger: who was texted, and what the day's line says --------------------------------


def _families(case: Case) -> Iterator[str]:
    for times in Counter((entry.to, entry.body) for entry in case.accepted).values():
        if times > 1:
            yield f"the same words went to one number {times} times"
    asked: dict[int, list[Row]] = defaultdict(list)
    retried = {row.retry_of for row in case.rows}
    for row in case.rows:
        if row.purpose is Purpose.CHECK_IN and row.retry_of is None:
            asked[row.family].append(row)
    reached = {entry.sid for entry in case.book}
    with case.database.begin() as session:
        lines = {
            student: (outcome, why)
            for student, outcome, why in session.execute(
                select(Absence.student_id, Absence.outcome, Absence.not_contacted).where(
                    Absence.day == case.day
                )
            )
        }
    for family in range(1, case.families + 1):
        rows, facts = asked[family], case.facts.get(family, [])
        line = lines.get(student_of(family))
        if line is None:
            yield f"family {family} is in no ledger"
        elif any(known.before for known in facts):
            yield from _never_asked(family, facts[0], rows, line)
        elif len(rows) != 1:
            yield f"family {family} was to be asked once, and has {len(rows)} check-ins"
        else:
            row = rows[0]
            yield from _may_have_left(case, family, row, facts)
            yield from _told_truly(row, row.sid in reached)
            if line not in _true_lines(row, facts, retried=row.id in retried):
                yield f"family {family} ({_names(facts)}): the ledger says {line[0]} {line[1] or ''}, and {row}"


def _never_asked(
    family: int, known: Known, rows: Sequence[Row], line: tuple[Outcome, NotContacted | None]
) -> Iterator[str]:
    if rows:
        yield f"family {family} was known to be {known.fact} before anybody was asked, and has {rows[0]}"
    if line != (Outcome.NOT_CONTACTED, WHY_NOT[known.fact][1]):
        yield f"family {family} was {known.fact} from the start, and its line says {line[0]} {line[1] or ''}"


def _may_have_left(case: Case, family: int, row: Row, facts: Sequence[Known]) -> Iterator[str]:
    """A text that left was claimed before anything was known against it; one that did not leave had a reason."""
    match row.state:
        case TextState.SENT:
            for known in facts:
                late = _after(row.claimed_at, known.by)
                if late > timedelta(0):
                    yield f"family {family} was {known.fact} for {late.total_seconds():.3f} s when this was claimed: {row}"
                for entry in case.by_token.get(row.token, []):
                    if _after(entry.at, known.by) > _ONE_HAND_OVER:
                        yield f"family {family} was {known.fact}, and long after that this left: {row}"
        case TextState.NOT_SENT:
            reasons = {WHY_NOT[known.fact][0] for known in facts}
            # Its own STOP ends the talk, and so does a newer file: what waits then is taken back.
            if any(known.fact in (Fact.STOPPED, Fact.PRESENT) for known in facts):
                reasons.add("overtaken")
            if row.why_not not in reasons:
                yield f"family {family} ({_names(facts)}) was not texted for another reason: {row}"
        case TextState.REFUSED:
            if row.number not in case.refused:
                yield f"the provider refused nothing here: {row}"
        case _:
            pass  # stuck, which is a fault of its own


def _after(moment: datetime | None, known_by: datetime | None) -> timedelta:
    return moment - known_by if moment is not None and known_by is not None else timedelta(0)


def _told_truly(row: Row, reached: bool) -> Iterator[str]:
    """Receipts repeat, come late, out of order or never (TW-53): what they add up to is never untrue."""
    if row.state is TextState.SENT:
        if reached and row.delivery in _DID_NOT_ARRIVE:
            yield f"it arrived, and is called lost: {row}"
        if not reached and row.delivery is Delivery.DELIVERED:
            yield f"no phone has it, and it is called delivered: {row}"


def _true_lines(
    row: Row, facts: Sequence[Known], *, retried: bool
) -> Sequence[tuple[Outcome, NotContacted | None]]:
    """What the ledger may say of a student whose check-in has come to this."""
    if any(known.fact is Fact.STOPPED for known in facts):
        return [(outcome, None) for outcome in Outcome] + [(Outcome.NOT_CONTACTED, NotContacted.OPTED_OUT)]
    if any(known.fact is Fact.PRESENT for known in facts):
        return [(Outcome.PRESENT_CORRECTED, None)]
    if row.state is TextState.NOT_SENT:
        reasons = [WHY_NOT[known.fact] for known in facts]
        return [(Outcome.NOT_CONTACTED, why) for reason, why in reasons if reason == row.why_not]
    lost = row.state is TextState.REFUSED or row.delivery in _DID_NOT_ARRIVE
    return [(Outcome.UNREACHABLE if lost and not retried else Outcome.ATTEMPTED, None)]


def _names(facts: Sequence[Known]) -> str:
    return ", ".join(known.fact for known in facts) or "nothing against it"


def _sums(case: Case) -> Iterator[str]:
    with case.database.begin() as session:
        counted = ledger.count(session, case.day)
    if not counted.absent == sum(counted.outcomes.values()) == case.families:
        yield f"{case.families} were absent, and the ledger adds up to {counted}"


def _handoffs(case: Case) -> Iterator[str]:
    """Whoever was not reached by text waits at the desk, and once."""
    with case.database.begin() as session:
        waiting: dict[int, list[str]] = defaultdict(list)
        for conversation, why in session.execute(
            select(Handoff.conversation_id, Handoff.why).where(Handoff.state != HandoffState.RESOLVED)
        ):
            waiting[conversation].append(why)
        talks = Counter(session.scalars(select(Conversation.phone_id)))
    for phone, many in talks.items():
        if many > 1:
            yield f"family {phone} has {many} talks of one day"
    retried = {row.retry_of for row in case.rows}
    for row in case.rows:
        if row.purpose is not Purpose.CHECK_IN or row.retry_of is not None or row.conversation is None:
            continue
        lost = row.state is TextState.SENT and row.delivery in _DID_NOT_ARRIVE and row.id not in retried
        refused = row.state is TextState.NOT_SENT and row.why_not not in ("not_absent", "overtaken")
        lines = waiting[row.conversation]
        if lost or refused or row.state is TextState.REFUSED:
            if len(lines) != 1:
                yield f"waits at the desk {len(lines)} times rather than once: {row}"
        elif "undelivered" in lines:
            yield f"waits at the desk, and nothing was lost: {row}"


# --- what happened ------------------------------------------------------------------------------------------


def counts(case: Case, provider: Mapping[str, int], fleet: Fleet) -> dict[str, float]:
    """Figures of the storm: how much was in doubt, and how it was settled."""
    logged = fleet.logged()
    states = Counter(row.state.value for row in case.rows)
    lost_claims, unanswered = logged["claims of a dead sender"], logged["outcome unknown"]
    never, listed = logged["a text was never created"], logged["a text is in the provider's list"]
    late = [
        _after(entry.at, known.by).total_seconds()
        for row in case.rows
        for entry in case.by_token.get(row.token, [])
        for known in case.facts.get(row.family, [])
        if row.purpose is Purpose.CHECK_IN
    ]
    return {
        **{f"texts {state}": count for state, count in sorted(states.items())},
        "creates": provider.get("creates", 0),
        "accepted creates": provider.get("accepted", 0),
        "accepted creates whose answer was lost": provider.get("accepted", 0) - provider.get("answered", 0),
        "busy answers": provider.get("busy", 0),
        "receipts posted": provider.get("receipts_posted", 0),
        "receipts that found nobody": provider.get("receipts_failed", 0),
        "receipts lost on purpose": provider.get("receipts_lost", 0),
        "in doubt: claims of a killed process": lost_claims,
        "in doubt: unclear answers": unanswered,
        "settled by the list, as sent": listed,
        "settled by the list, as never created": never,
        "settled by a receipt": lost_claims + unanswered - listed - never,
        "claimed more than once": sum(row.attempts > 1 for row in case.rows),
        "most claims of one text": max((row.attempts for row in case.rows), default=0),
        "facts found out meanwhile": sum(not known.before for known in case.learned),
        "texts stopped at the door by them": sum(row.state is TextState.NOT_SENT for row in case.rows),
        "longest from a fact to a text that was under way": round(
            max(late, default=0.0) if max(late, default=0.0) > 0 else 0.0, 2
        ),
        "starts": sum(member.lives for member in fleet.members),
        "ends of a process by itself": sum(member.fell for member in fleet.members),
        "spooled posts": logged["a post is spooled"],
        "failed jobs": logged["job failed"],
        **{
            f"seconds without {member.name} ({member.kills} kills)": round(member.away)
            for member in fleet.members
        },
    }
