"""One family at the desk: its story in pages, what is corrected, the reply box, and what stands beside."""

import html
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, func, select, update

from app import Program
from bot import answering
from bot.advance import Script
from bot.language import Language
from bot.phone import as_dialled
from bot.store.session import Database
from bot.store.tables import (
    AuditLine,
    BarrierCorrection,
    BarrierFound,
    Conversation,
    ConversationStudent,
    Delivery,
    Excuse,
    InboundText,
    OutboundText,
    School,
    Staff,
)
from bot.timeline.entries import FamilyWrote
from bot.timeline.family import family, version
from bot.translation import Translated, Unavailable
from bot.understanding import Understanding
from bot.vocabulary import Barrier, Owner, Purpose, Role
from bot.web.desk.family import _instant as instant_of_address
from tests.builders import FRIDAY, NOW, a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.test_web_desk import a_colleague, desk_of
from tests.town import Town
from tests.web import Browser, a_family, pages, words_of

LONGER_THAN_ANY_TEXT = "a" * 1_000_000


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


@pytest.fixture
def both(database: Database, script: Script, understanding: Understanding) -> Town:
    """On each engine in turn."""
    return Town(database, script, understanding)


class Machine:
    """A translation server that answers at once, or not at all."""

    def __init__(self, answer: Translated | Unavailable) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Language | None, Language]] = []

    def translate(self, text: str, source: Language | None, target: Language) -> Translated | Unavailable:
        self.asked.append((text, source, target))
        return self.answer


def a_desk(town: Town, member: Staff, **more: object) -> Browser:
    return Browser(pages(town, **more), town).signed_in_as(member)  # type: ignore[arg-type]


def a_talk(town: Town) -> tuple[Staff, str]:
    """A Spanish-speaking mother who asked for a person: a specialist of her school, and her page."""
    number, member = a_family(town)
    town.morning()
    town.now += timedelta(minutes=11)
    town.family_writes(number, "quiero hablar con una persona")
    return member, f"/desk/family/{town.conversation().id}"


def said_by_staff(town: Town) -> list[OutboundText]:
    with town.database.begin() as session:
        return list(
            session.scalars(
                select(OutboundText)
                .where(OutboundText.purpose == Purpose.REPLY, OutboundText.staff_id.is_not(None))
                .order_by(OutboundText.id)
            )
        )


# --- the story, a page at a time ---------------------------------------------------------------------------


def a_long_story(town: Town, texts: int) -> tuple[int, frozenset[int]]:
    """A conversation with so many texts of the family, one a minute; some of them at one instant."""
    a_family(town)
    town.morning()
    talk = town.conversation()
    with town.database.begin() as session:
        session.add_all(
            InboundText(
                provider_sid=f"SMold{n}",
                sender="+12035550199",
                words=f"text {n}",
                received_at=NOW - timedelta(minutes=(texts - n) // 3 * 3 + 5),
                handled_at=NOW,
                conversation_id=talk.id,
                language=Language.SPANISH,
            )
            for n in range(texts)
        )
    return talk.id, frozenset({talk.school_id or 0})


def test_paging_back_shows_every_entry_once_and_none_is_lost(both: Town) -> None:
    talk, schools = a_long_story(both, 200)
    seen: list[str] = []
    before = None
    for _ in range(20):
        with both.database.look() as session:
            found = family(session, talk, schools, before=before)
        assert found
        seen = [entry.words for entry in found.entries if isinstance(entry, FamilyWrote)] + seen
        before = found.since
        if before is None:
            break

    assert seen == [f"text {n}" for n in range(200)]


def test_the_newest_page_of_a_family_with_two_thousand_entries_is_short(town: Town) -> None:
    talk, schools = a_long_story(town, 2000)

    with town.database.look() as session:
        found = family(session, talk, schools)

    assert found
    assert 60 <= len(found.entries) <= 70
    assert found.since is not None
    (last,) = [entry for entry in found.entries if isinstance(entry, FamilyWrote)][-1:]
    assert last.words == "text 1999"


def test_what_a_page_reads_does_not_grow_with_the_history(town: Town) -> None:
    talk, schools = a_long_story(town, 100)
    looks: list[int] = []

    def count() -> int:
        asked: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
            asked.append(statement)

        event.listen(town.database.engine, "before_cursor_execute", note)
        with town.database.look() as session:
            family(session, talk, schools)
        event.remove(town.database.engine, "before_cursor_execute", note)
        return len(asked)

    looks.append(count())
    with town.database.begin() as session:
        for day in range(1, 4):
            session.add(
                Conversation(
                    phone_id=session.get_one(Conversation, talk).phone_id,
                    guardian_id=session.get_one(Conversation, talk).guardian_id,
                    school_id=session.get_one(Conversation, talk).school_id,
                    day=FRIDAY - timedelta(days=day),
                    flow="absence_check",
                    flow_version="1",
                    language=Language.SPANISH,
                    state={},
                    owner=Owner.NOBODY,
                    opened_at=NOW - timedelta(days=day),
                    touched_at=NOW - timedelta(days=day),
                )
            )
    looks.append(count())

    assert looks[0] == looks[1]
    assert looks[0] < 40


def test_the_poll_keeps_what_was_shown_and_says_nothing_while_nothing_changed(town: Town) -> None:
    talk, _ = a_long_story(town, 150)
    with town.database.begin() as session:
        member = session.scalars(select(Staff)).one()
    desk = desk_of(town, member)
    page = desk.get(f"/desk/family/{talk}").text
    (poll,) = re.findall(r'hx-get="(/desk/family/\d+/news[^"]*)"', page)
    poll = html.unescape(poll)

    assert desk.get(poll).status_code == 204
    with town.database.begin() as session:
        answering.reply(session, talk, member.id, "Buenos días", script=town.script, now=town.now)
    news = desk.get(poll)

    assert news.status_code == 200
    assert "Buenos días" in news.text
    shown = re.findall(r'id="text-(\d+)"', page)
    assert shown
    assert re.findall(r'id="text-(\d+)"', news.text) == shown, "nothing slips out between the two parts"


def test_earlier_entries_are_one_link_away_with_and_without_javascript(town: Town) -> None:
    talk, _ = a_long_story(town, 150)
    with town.database.begin() as session:
        member = session.scalars(select(Staff)).one()
    desk = desk_of(town, member)
    page = desk.get(f"/desk/family/{talk}").text
    (link,) = re.findall(r'href="(/desk/family/\d+\?before=\d+)"', page)
    (piece,) = re.findall(r'hx-get="(/desk/family/\d+/earlier\?before=\d+)"', page)

    older, part = desk.get(link), desk.get(piece)

    for answer in (older, part):
        assert "text 60" in answer.text
        assert "text 149" not in answer.text
    assert "Back to the newest" in older.text
    assert "<html" not in part.text
    assert desk.get(f"/desk/family/{talk}/earlier?before=nonsense").status_code == 404
    assert desk.get(f"/desk/family/{talk}?before=99999999999999999").status_code == 200


@given(st.text(max_size=30) | st.integers().map(str))
def test_no_instant_typed_by_hand_is_an_error(before: str) -> None:
    with Flask("any").test_request_context("/", query_string={"before": before}):
        instant_of_address("before")


def test_the_version_follows_receipts_owners_and_corrections(both: Town) -> None:
    member, _ = a_talk(both)
    talk = both.conversation()
    schools = {talk.school_id or 0}

    def now_is() -> str:
        with both.database.look() as session:
            found = version(session, talk.id, schools)
        assert found
        return found

    seen = [now_is()]
    assert now_is() == seen[0]
    with both.database.begin() as session:
        session.execute(update(OutboundText).values(delivery=Delivery.UNDELIVERED))
    seen.append(now_is())
    with both.database.begin() as session:
        answering.take(session, talk.id, member.id, script=both.script, now=both.now)
    seen.append(now_is())
    with both.database.begin() as session:
        answering.resolve(session, talk.id, member.id, "all well", now=both.now)
    seen.append(now_is())

    assert len(set(seen)) == len(seen)


# --- what a family writes is shown as it was written ----------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "</textarea></li></ol><h1>Rosa</h1>",
        "{{ 7 * 7 }} {% for a in b %}",
        "admin \u202egnp.exe \u2066 \u2069",
        "x" * 10_000,
        "line\nline \" ' & <",
    ],
)
def test_a_familys_words_are_text_whatever_they_look_like(town: Town, words: str) -> None:
    number, member = a_family(town)
    town.morning()
    town.family_writes(number, words)

    page = desk_of(town, member).get(f"/desk/family/{town.conversation().id}").text

    bubbles = re.findall(r'<p class="bubble" dir="auto"[^>]*>(.*?)</p>', page, re.DOTALL)
    assert words in [html.unescape(bubble) for bubble in bubbles]
    assert "<script>alert" not in page
    assert page.count("<h1>") == 1


def test_a_nul_in_what_staff_type_stops_nothing(both: Town) -> None:
    member, address = a_talk(both)
    desk = desk_of(both, member)

    sent = desk.fill(address, f"{address}/reply", words="Buenos\0 días")
    added = desk.fill(
        address, f"{address}/barrier", student=_student(both), code="transportation", because="a\0b"
    )

    assert (sent.status_code, added.status_code) == (303, 303)
    assert said_by_staff(both)[-1].body == "Buenos días"


# --- the reply box ------------------------------------------------------------------------------------------


def test_a_megabyte_of_words_is_answered_with_a_sentence_and_handed_back(town: Town) -> None:
    member, address = a_talk(town)
    desk = desk_of(town, member)

    answer = desk.fill(address, f"{address}/reply", words=LONGER_THAN_ANY_TEXT)

    assert answer.status_code == 409
    assert "The reply has 1000000 characters; a text may have 1600" in words_of(answer)
    assert LONGER_THAN_ANY_TEXT in answer.text
    assert said_by_staff(town) == []


def test_words_in_a_language_the_family_does_not_read_are_asked_about_and_never_blocked(town: Town) -> None:
    member, address = a_talk(town)
    desk = a_desk(town, member, language_of=Program().language_of)
    english = "Good morning, I will call you this afternoon"

    asked = desk.fill(address, f"{address}/reply", words=english)

    assert asked.status_code == 409
    assert "you seem to write English. Nothing was sent yet." in words_of(asked)
    assert english in asked.text
    assert said_by_staff(town) == []
    assert desk.fill(address, f"{address}/reply", words=english, anyway="yes").status_code == 303
    assert [text.body for text in said_by_staff(town)] == [english]


@pytest.mark.parametrize(
    "words", ["Buenos días, le llamo a las dos", "Le llamo ahora", "ok", "12:30", "Maya?"]
)
def test_the_familys_own_language_and_what_tells_nothing_are_sent_at_once(town: Town, words: str) -> None:
    member, address = a_talk(town)
    desk = a_desk(town, member, language_of=Program().language_of)

    assert desk.fill(address, f"{address}/reply", words=words).status_code == 303


def test_the_price_stands_beside_the_box_where_the_district_has_named_one(town: Town) -> None:
    member, address = a_talk(town)

    assert 'data-price="0.0083"' in a_desk(town, member, segment_price=Decimal("0.0083")).get(address).text
    assert "data-price" not in desk_of(town, member).get(address).text


def test_what_the_browser_kept_is_cleared_only_after_the_text_was_taken(town: Town) -> None:
    member, address = a_talk(town)
    desk = desk_of(town, member)

    assert f'data-draft="{member.id}:' in desk.get(address).text
    assert desk.fill(address, f"{address}/reply", words="Hola").location == f"{address}?sent=1"
    assert "sent=1" not in (desk.fill(address, f"{address}/reply", words=" ").location or "")


def test_two_people_who_answer_at_the_same_instant_one_wins_and_the_other_keeps_the_words(both: Town) -> None:
    member, address = a_talk(both)
    okafor = a_colleague(both)
    app = pages(both)
    desks = [Browser(app, both).signed_in_as(one) for one in (member, okafor)]
    forms = [desk.hidden_fields(address, f"{address}/reply") for desk in desks]
    answers: dict[int, tuple[int, str]] = {}
    start = threading.Barrier(2)

    def send(n: int) -> None:
        start.wait()
        answer = desks[n].post(f"{address}/reply", **{**forms[n], "words": f"Soy la persona {n}"})
        answers[n] = (answer.status_code, answer.text)

    _together(send, 2)

    assert sorted(status for status, _ in answers.values()) == [303, 409]
    (loser,) = [n for n, (status, _) in answers.items() if status == 409]
    assert "is already talking with this family" in answers[loser][1]
    assert f"Soy la persona {loser}" in answers[loser][1]
    assert [text.body for text in said_by_staff(both)] == [f"Soy la persona {1 - loser}"]


def test_a_form_that_is_sent_four_times_at_once_is_one_text(both: Town) -> None:
    member, address = a_talk(both)
    app = pages(both)
    desks = [Browser(app, both).signed_in_as(member) for _ in range(4)]
    form = desks[0].hidden_fields(address, f"{address}/reply")
    tokens = [desk.hidden_fields(address, f"{address}/reply")["csrf_token"] for desk in desks]
    statuses: list[int] = []
    start = threading.Barrier(4)

    def send(n: int) -> None:
        start.wait()
        sent = {**form, "csrf_token": tokens[n], "words": "Le llamo ahora"}
        statuses.append(desks[n].post(f"{address}/reply", **sent).status_code)

    _together(send, 4)

    assert statuses == [303] * 4
    assert [text.body for text in said_by_staff(both)] == ["Le llamo ahora"]


def test_two_who_resolve_at_once_resolve_once_and_the_second_reads_why(both: Town) -> None:
    member, address = a_talk(both)
    okafor = a_colleague(both)
    app = pages(both)
    desks = [Browser(app, both).signed_in_as(one) for one in (member, okafor)]
    forms = [desk.hidden_fields(address, f"{address}/resolve") for desk in desks]
    statuses: list[int] = []
    start = threading.Barrier(2)

    def send(n: int) -> None:
        start.wait()
        sent = {**forms[n], "agreed": f"agreed {n}", "known": "yes"}
        statuses.append(desks[n].post(f"{address}/resolve", **sent).status_code)

    _together(send, 2)

    assert sorted(statuses) == [303, 409]


def _together(send: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=send, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


# --- a machine's translation -----------------------------------------------------------------------------------


def test_without_a_server_nothing_speaks_of_machine_translation(town: Town) -> None:
    member, address = a_talk(town)
    desk = desk_of(town, member)

    page = desk.get(address).text

    assert "Show in English" not in page
    assert "Translate my draft" not in page
    assert desk.fill(address, f"{address}/reply", words="Hola").status_code == 303
    key = desk.hidden_fields(address, f"{address}/reply")
    assert desk.post(f"{address}/translate", **key, words="Hi").status_code == 404


def test_a_familys_words_are_shown_in_english_by_a_click_and_asked_for_once(town: Town) -> None:
    member, address = a_talk(town)
    machine = Machine(Translated("I want to <b>speak</b> to a person"))
    desk = a_desk(town, member, translator=machine)
    (action,) = re.findall(r'action="(/desk/family/\d+/text/\d+/in-english)"', desk.get(address).text)

    for _ in range(2):
        shown = desk.post(action, **_token(desk, address))
        assert shown.status_code == 303

    said = desk.get(address).text
    assert "Machine translation, may be wrong:" in said
    assert "I want to &lt;b&gt;speak&lt;/b&gt; to a person" in said
    assert machine.asked == [("quiero hablar con una persona", Language.SPANISH, Language.ENGLISH)]


def test_no_text_of_another_family_is_translated(town: Town) -> None:
    member, address = a_talk(town)
    other, _ = a_family(town, "Omar", guardian="Layla", school="Parkville School")
    town.morning()
    town.family_writes(other, "otra cosa muy privada")
    machine = Machine(Translated("private"))
    desk = a_desk(town, member, translator=machine)
    with town.database.begin() as session:
        text = session.scalars(select(InboundText.id).order_by(InboundText.id.desc())).first()

    answer = desk.post(f"{address}/text/{text}/in-english", **_token(desk, address))

    assert answer.status_code == 404
    assert machine.asked == []


def test_a_translated_draft_waits_for_another_click_and_is_marked_ever_after(town: Town) -> None:
    member, address = a_talk(town)
    machine = Machine(Translated("Buenos días, le llamo hoy"))
    desk = a_desk(town, member, translator=machine, language_of=Program().language_of)
    draft = "Good morning, I will call you today"

    shown = desk.post(f"{address}/translate", **_token(desk, address), words=draft)

    assert shown.status_code == 200
    assert said_by_staff(town) == [], "nothing leaves without another click"
    assert "Machine translation into Spanish: it may be wrong" in words_of(shown)
    assert machine.asked == [(draft, Language.ENGLISH, Language.SPANISH)]
    desk.post(
        f"{address}/reply",
        **_token(desk, address),
        words="Buenos días, le llamo hoy",
        machine="yes",
        draft=draft,
        form_key="0" * 32,
    )
    (sent,) = said_by_staff(town)
    assert (sent.machine_translated, sent.english) == (True, draft)
    said = words_of(desk.get(address))
    assert "translated by a machine" in said
    assert draft in said


def test_a_server_that_fails_costs_nobody_what_they_typed(town: Town) -> None:
    member, address = a_talk(town)
    desk = a_desk(town, member, translator=Machine(Unavailable("The translation server does not answer.")))

    answer = desk.post(f"{address}/translate", **_token(desk, address), words="See you tomorrow")

    assert answer.status_code == 503
    assert "The translation server does not answer." in words_of(answer)
    assert "See you tomorrow" in answer.text


def _token(desk: Browser, address: str) -> dict[str, str]:
    return {"csrf_token": desk.hidden_fields(address, f"{address}/reply")["csrf_token"]}


# --- what the program heard, corrected ---------------------------------------------------------------------------


def a_heard_barrier(town: Town) -> tuple[Browser, str, int]:
    number, member = a_family(town, "Maya", "Luis")
    town.morning()
    town.now += timedelta(minutes=8)
    town.family_writes(number, "no tenemos carro hoy")
    address = f"/desk/family/{town.conversation().id}"
    with town.database.begin() as session:
        heard = session.scalars(select(BarrierFound).order_by(BarrierFound.id)).first()
    assert heard
    assert heard.code is Barrier.TRANSPORTATION
    return desk_of(town, member), address, heard.id


def _student(town: Town) -> str:
    with town.database.begin() as session:
        return str(session.scalars(select(ConversationStudent.student_id)).first())


def test_a_barrier_that_was_heard_wrongly_is_changed_for_every_child_and_the_old_one_kept(both: Town) -> None:
    desk, address, heard = a_heard_barrier(both)

    answer = desk.fill(address, f"{address}/barrier/{heard}", to="housing", because="They moved on Monday")

    assert answer.status_code == 303
    with both.database.begin() as session:
        assert set(session.scalars(select(BarrierFound.code))) == {Barrier.HOUSING}
        kept = session.scalars(select(BarrierCorrection)).all()
        lines = session.scalars(select(AuditLine).where(AuditLine.act == "correct_barrier")).all()
    assert {(one.before, one.after) for one in kept} == {(Barrier.TRANSPORTATION, Barrier.HOUSING)}
    assert [(line.before, line.after) for line in lines] == [("transportation", "housing")]
    said = words_of(desk.get(address))
    assert "Ms. Rivera changed Transportation to Housing for Maya and Luis. They moved on Monday" in said
    assert "no tenemos carro" in said


def test_a_barrier_is_removed_brought_back_and_a_second_click_changes_nothing(town: Town) -> None:
    desk, address, heard = a_heard_barrier(town)
    act = f"{address}/barrier/{heard}"

    for _ in range(2):
        assert desk.fill(address, act, to="remove").status_code == 303
    with town.database.begin() as session:
        assert session.scalars(select(func.count(BarrierFound.withdrawn_at))).one() == 2
        assert session.scalars(select(func.count(BarrierFound.resolved_at))).one() == 2
        assert session.scalars(select(func.count()).select_from(BarrierCorrection)).one() == 2
    assert "removed as wrong" in words_of(desk.get(address))

    assert desk.fill(address, act, to="transportation").status_code == 303
    with town.database.begin() as session:
        assert session.scalars(select(func.count(BarrierFound.withdrawn_at))).one() == 0


def test_a_barrier_nobody_heard_is_added_once_and_only_for_children_of_this_talk(town: Town) -> None:
    desk, address, _ = a_heard_barrier(town)
    act = f"{address}/barrier"

    assert desk.fill(address, act, code="food_basic_needs").status_code == 409, "whose?"
    assert desk.fill(address, act, code="nonsense", student="1").status_code == 422
    assert desk.fill(address, act, code="food_basic_needs", student="999999").status_code == 409
    for _ in range(2):
        assert desk.fill(address, act, code="food_basic_needs", student=_student(town)).status_code == 303

    with town.database.begin() as session:
        added = session.scalars(
            select(BarrierFound).where(BarrierFound.code == Barrier.FOOD_BASIC_NEEDS)
        ).all()
    assert len(added) == 1
    assert "Ms. Rivera added Food and basic needs for" in words_of(desk.get(address))


def test_a_reader_and_somebody_of_another_school_correct_nothing(town: Town) -> None:
    desk, address, heard = a_heard_barrier(town)
    key = _token(desk, address)
    school = town.conversation().school_id
    with town.database.begin() as session:
        stranger = a_staff_member(session, a_school(session, "Elsewhere School"), name="Mr. Else")
        theirs = session.get_one(School, school)
        auditor = a_staff_member(session, theirs, name="Ms. Audit", role=Role.AUDITOR)

    act = f"{address}/barrier/{heard}"
    desk.signed_in_as(stranger)
    assert desk.post(act, **key, to="remove").status_code in (400, 404)
    desk.signed_in_as(auditor)
    assert desk.post(act, **key, to="remove").status_code in (400, 403)
    page = desk.get(address)
    assert "Correct it" not in page.text
    assert "Reply by text" not in page.text
    with town.database.begin() as session:
        assert session.scalars(select(func.count(BarrierFound.withdrawn_at))).one() == 0


# --- beside the story -----------------------------------------------------------------------------------------------


def test_beside_the_story_stand_the_children_their_attendance_and_every_guardian(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        maya = a_student(session, school, "Maya")
        rosa = a_guardian(session, maya, speaks="es", name="Rosa")
        a_guardian(session, maya, name="Jorge", order=2, opted_out=True)
        petra = a_guardian(session, maya, name="Petra", order=3, court_order=True)
        a_guardian(session, maya, name="Olga", order=4, has_phone=False)
        for days in (1, 2, 3, 7):
            absent(
                session,
                maya,
                day=FRIDAY - timedelta(days=days),
                excuse=Excuse.EXCUSED if days == 7 else Excuse.UNEXCUSED,
            )
        absent(session, maya)
        number, member = number_of(session, rosa), a_staff_member(session, school)
        barred = number_of(session, petra)
    town.morning()
    town.family_writes(number, "quiero hablar con una persona")

    page = desk_of(town, member).get(f"/desk/family/{town.conversation().id}")
    said = words_of(page)

    for expected in (
        "Excused absence: 1, Unexcused absence: 4 in the last 20 school days",
        "11 % of this school year missed (5 of 45 days): chronically absent, from 10 % on",
        "Rosa Rivera · Mother · reads Spanish",
        "the family opted out of texts",
        "A court order is on file: no texts, no calls, no visit to this person.",
        "No number on file",
    ):
        assert expected in said, expected
    assert f'href="tel:{number}"' in page.text, "whoever is to call needs the number"
    assert as_dialled(number) in said
    assert barred not in page.text
    assert as_dialled(barred) not in said


def test_the_second_guardian_is_asked_by_a_click_once_and_learns_nothing_of_the_first(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        maya = a_student(session, school, "Maya")
        a_guardian(session, maya, speaks="es", name="Rosa")
        second = number_of(session, a_guardian(session, maya, speaks="en", name="Jorge", order=2))
        absent(session, maya)
        member = a_staff_member(session, school)
    town.morning()
    address = f"/desk/family/{town.conversation().id}"
    desk = desk_of(town, member)

    assert desk.fill(address, f"{address}/ask-second").status_code == 303
    town.work()
    again = desk.fill(address, f"{address}/ask-second")

    assert again.status_code == 409
    assert "Another guardian has been asked today already" in words_of(again)
    (text,) = town.texts_to(second)
    assert "Maya" in text
    assert "Rosa" not in text


def test_no_second_guardian_is_asked_where_a_rule_forbids_it(town: Town) -> None:
    with town.database.begin() as session:
        school = a_school(session)
        maya = a_student(session, school, "Maya")
        a_guardian(session, maya, name="Rosa")
        barred = number_of(session, a_guardian(session, maya, name="Jorge", order=2, court_order=True))
        absent(session, maya)
        member = a_staff_member(session, school)
    town.morning()
    address = f"/desk/family/{town.conversation().id}"
    desk = desk_of(town, member)

    assert "Ask the second guardian" not in desk.get(address).text
    answer = desk.post(f"{address}/ask-second", **_token(desk, address))

    assert answer.status_code == 409
    assert "No other guardian may be texted now" in words_of(answer)
    assert town.texts_to(barred) == []


def test_a_page_of_another_school_does_not_exist_in_any_of_its_parts(town: Town) -> None:
    member, address = a_talk(town)
    desk = desk_of(town, member)
    key = _token(desk, address)
    with town.database.begin() as session:
        stranger = a_staff_member(session, a_school(session, "Elsewhere School"), name="Mr. Else")
    desk.signed_in_as(stranger)

    for part in ("", "/news", "/earlier?before=1", "/replies?find=a"):
        assert desk.get(f"{address}{part}").status_code == 404, part
    for part in ("/reply", "/barrier", "/ask-second"):
        answer = desk.post(f"{address}{part}", **key, words="x", code="housing", student="1")
        assert answer.status_code in (400, 404), part
    assert said_by_staff(town) == []
