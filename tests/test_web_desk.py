"""The desk as staff meet it: the queue, one family, what they may do, the ledger."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot.advance import Script
from bot.consent import Refusal
from bot.language import Language
from bot.store.session import Database
from bot.store.tables import (
    CallOutcome,
    ConsentKind,
    ContactMade,
    Delivery,
    Handoff,
    HandoffState,
    OutboundText,
    Staff,
    TextState,
)
from bot.timeline.entries import WeWrote
from bot.understanding import Understanding
from bot.vocabulary import Barrier, Outcome, Owner, Role, Urgency
from bot.web import times, words
from tests.builders import a_school, a_staff_member
from tests.town import Town
from tests.web import Browser, a_family, in_spanish, pages, words_of

HARTFORD = ZoneInfo("America/New_York")


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


def desk_of(town: Town, member: Staff) -> Browser:
    return Browser(pages(town), town).signed_in_as(member)


def a_waiting_family(town: Town, words: str = "quiero hablar con una persona") -> tuple[Browser, str, str]:
    """A Spanish-speaking mother who asked for a person: the desk, her number, her page's address."""
    number, member = a_family(town)
    town.morning()
    town.now += timedelta(minutes=11)
    town.family_writes(number, words)
    return desk_of(town, member), number, f"/desk/family/{town.conversation().id}"


def a_colleague(town: Town, name: str = "Mr. Okafor", role: Role = Role.SPECIALIST) -> Staff:
    with town.database.begin() as session:
        schools = session.scalars(select(Handoff.school_id)).all()
        member = a_staff_member(session, name=name, role=role)
        from bot.store.tables import StaffSchool

        session.add(StaffSchool(staff_id=member.id, school_id=schools[0] or 0))
        return member


# --- the queue --------------------------------------------------------------------------------------------


def test_the_queue_says_who_waits_since_when_and_why(town: Town) -> None:
    desk, _, address = a_waiting_family(town)
    town.now += timedelta(minutes=12)

    page = desk.get("/desk/")
    said = words_of(page)

    assert "<title>1 waiting · Presente" in " ".join(page.text.split())
    for expected in (
        "1 family waits for a person.",
        "Rosa Rivera",
        "Maya Rivera · Burns School",
        "Asked for a person",
        "quiero hablar con una persona",
        "12 min since 9:41 AM",
        "Spanish",
        "nobody yet",
    ):
        assert expected in said, expected
    assert f'href="{address}"' in page.text
    assert re.search(r'<blockquote dir="auto" lang="es">', page.text)


def test_danger_stands_first_and_in_the_title(town: Town) -> None:
    desk, _, _ = a_waiting_family(town)
    other, _ = a_family(town, "Omar", guardian="Layla", speaks="en", school="Parkville School")
    town.morning()
    town.now += timedelta(minutes=1)
    town.family_writes(other, "he has a gun and wont let us leave")
    with town.database.begin() as session:
        office = a_staff_member(session, name="Office", role=Role.DISTRICT_ADMINISTRATOR)
    desk.signed_in_as(office)

    page = desk.get("/desk/")
    said = words_of(page)

    assert "(1 NOW) 2 waiting" in page.text
    assert "1 family needs help now." in said
    assert said.index("Layla Rivera") < said.index("Rosa Rivera")
    assert "call the family now" in said
    alarm = desk.get("/desk/alarm?seen=")
    assert "1 family needs help now." in words_of(alarm)


def test_an_empty_queue_says_what_to_do_next(town: Town) -> None:
    _, member = a_family(town)

    said = words_of(desk_of(town, member).get("/desk/"))

    assert "Nobody is waiting for a person" in said
    assert "ledger of today" in said


def test_a_poll_costs_one_look_until_something_changes(town: Town) -> None:
    desk, number, _ = a_waiting_family(town)
    (news,) = re.findall(r'hx-get="(/desk/news[^"]*)"', desk.get("/desk/").text)
    news = news.replace("&amp;", "&")

    assert desk.get(news).status_code == 204
    town.now += timedelta(seconds=1)
    town.family_writes(number, "¿hola?")
    changed = desk.get(news)

    assert changed.status_code == 200
    assert "<title>" in changed.text
    assert "¿hola?" in words_of(changed)
    assert "<html" not in changed.text


def test_how_long_a_family_waits_is_never_more_than_a_minute_old(town: Town) -> None:
    desk, _, _ = a_waiting_family(town)
    (news,) = re.findall(r'hx-get="(/desk/news[^"]*)"', desk.get("/desk/").text)
    town.now += timedelta(minutes=1)

    assert desk.get(news.replace("&amp;", "&")).status_code == 200


def test_a_late_answer_says_so(town: Town) -> None:
    desk, _, _ = a_waiting_family(town)
    assert "Was due" not in words_of(desk.get("/desk/"))

    town.now += timedelta(hours=6)

    assert "Was due" in words_of(desk.get("/desk/"))


def test_mine_are_the_families_i_took(town: Town) -> None:
    desk, _, address = a_waiting_family(town)
    assert "You have taken no family" in words_of(desk.get("/desk/?show=mine"))

    desk.fill(address, f"{address}/take")

    said = words_of(desk.get("/desk/?show=mine"))
    assert "Rosa Rivera" in said
    assert "With you" in said
    okafor = desk_of(town, a_colleague(town))
    assert "Rosa Rivera" not in words_of(okafor.get("/desk/?show=mine"))
    assert "With Ms. Rivera" in words_of(okafor.get("/desk/"))


# --- whose family it is -------------------------------------------------------------------------------------


def test_staff_of_another_school_find_nothing_and_can_do_nothing(town: Town) -> None:
    _, _, address = a_waiting_family(town)
    with town.database.begin() as session:
        elsewhere = a_staff_member(session, a_school(session, "Parkville School"), name="Mr. Elsewhere")
    desk = desk_of(town, elsewhere)
    token = desk.hidden_fields("/desk/", "/sign-out")

    assert "Rosa" not in desk.get("/desk/").text
    assert desk.get(address).status_code == 404
    assert desk.get(f"{address}/news").status_code == 404
    for act in ("take", "reply", "call", "return", "resolve"):
        answer = desk.post(
            f"{address}/{act}", **token, words="hi", outcome="reached", agreed="x", known="yes"
        )
        assert answer.status_code == 404, act
    with town.database.begin() as session:
        assert session.scalars(select(Handoff)).one().state is HandoffState.OPEN


def test_an_auditor_reads_everything_and_changes_nothing(town: Town) -> None:
    _, _, address = a_waiting_family(town)
    desk = desk_of(town, a_colleague(town, "Auditor", Role.AUDITOR))
    token = desk.hidden_fields("/desk/", "/sign-out")

    page = desk.get(address)
    assert "quiero hablar con una persona" in page.text
    assert "You read only" in words_of(page)
    assert f'action="{address}/' not in page.text
    for act in ("take", "reply", "call", "return", "resolve"):
        answer = desk.post(
            f"{address}/{act}", **token, words="hi", outcome="reached", agreed="x", known="yes"
        )
        assert answer.status_code == 403, act
        assert "You may read this, but not change it" in answer.text
    with town.database.begin() as session:
        assert session.scalars(select(Handoff)).one().state is HandoffState.OPEN
        assert session.scalar(select(ContactMade)) is None


def test_a_number_nobody_knows_warns_before_a_student_is_named(town: Town) -> None:
    _, member = a_family(town)
    town.family_writes("+12035559876", "who is this?")
    desk = desk_of(town, member)

    said = words_of(desk.get(f"/desk/family/{town.conversation().id}"))

    assert "Number …9876" in said
    assert "Say nothing about any student" in said


# --- one family ---------------------------------------------------------------------------------------------


def test_the_whole_talk_is_there_with_the_english_beside_our_lines(town: Town) -> None:
    desk, _, address = a_waiting_family(town)
    in_spanish(town)

    page = desk.get(address)
    said = words_of(page)

    asked, answered = "Presente, by itself · 9:30 AM", "Rosa Rivera · 9:41 AM"
    assert said.index(asked) < said.index(answered)
    assert "Friday, October 22, 2021" in said
    assert "Delivered" in said
    assert '<p class="bubble" dir="auto" lang="es">' in page.text
    assert "In English: Burns School: we missed Maya today." in said
    assert "Mother of Maya Rivera (grade 5) · Burns School · reads Spanish" in said
    assert "This family reads Spanish" in said
    assert "not translated" in said


def test_taking_a_family_silences_the_program_and_shows_who_has_it(town: Town) -> None:
    desk, number, address = a_waiting_family(town)

    answer = desk.fill(address, f"{address}/take")

    assert (answer.status_code, answer.location) == (303, address)
    said = words_of(desk.get(address))
    assert "You are talking with this family now" in said
    assert "Ms. Rivera is talking with this family" in said
    town.work()  # the family is told who is here
    before = len(town.texts_to(number))
    town.family_writes(number, "está enferma")
    assert len(town.texts_to(number)) == before, "one owner (promise 3)"


def test_a_reply_takes_the_family_and_reaches_the_phone(town: Town) -> None:
    desk, number, address = a_waiting_family(town)

    answer = desk.fill(address, f"{address}/reply", words="Buenos días, ¿cómo está Maya?")
    town.work()

    assert answer.status_code == 303
    assert town.texts_to(number)[-1] == "Buenos días, ¿cómo está Maya?"
    assert town.conversation().owner is Owner.STAFF


def test_the_same_form_sent_twice_is_one_text(town: Town) -> None:
    desk, number, address = a_waiting_family(town)
    form = desk.hidden_fields(address, f"{address}/reply")

    for _ in range(2):
        assert desk.post(f"{address}/reply", **form, words="Buenos días").status_code == 303
    town.work()
    assert town.texts_to(number).count("Buenos días") == 1

    desk.post(f"{address}/reply", **form, words="Otra cosa")
    town.work()
    assert town.texts_to(number)[-1] == "Otra cosa", "other words in a page from the history are another text"


@pytest.mark.parametrize(("typed", "sentence"), [("   ", "empty"), ("x" * 1601, "1600")])
def test_a_reply_that_cannot_be_sent_says_why_and_keeps_the_words(
    town: Town, typed: str, sentence: str
) -> None:
    desk, number, address = a_waiting_family(town)
    before = len(town.texts_to(number))

    answer = desk.fill(address, f"{address}/reply", words=typed)
    town.work()

    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert sentence in words_of(answer)
    assert len(town.texts_to(number)) == before
    if typed.strip():
        assert typed in answer.text


def test_a_family_that_opted_out_cannot_be_texted_and_the_page_says_so_first(town: Town) -> None:
    desk, number, address = a_waiting_family(town)
    form = desk.hidden_fields(address, f"{address}/reply")
    town.now += timedelta(minutes=1)
    town.family_writes(number, "STOP")

    page = desk.get(address)
    answer = desk.post(f"{address}/reply", **form, words="¿Podemos ayudar?")

    assert "cannot be texted" in words_of(page)
    assert f'action="{address}/reply"' not in page.text
    assert answer.status_code == 409
    assert "opted out" in words_of(answer)
    assert "No more texts to this number" in words_of(page)


def test_two_people_cannot_have_one_family(town: Town) -> None:
    desk, _, address = a_waiting_family(town)
    desk.fill(address, f"{address}/take")
    okafor = desk_of(town, a_colleague(town))

    page = okafor.get(address)
    assert f'action="{address}/take"' not in page.text
    assert "Ms. Rivera is talking with this family" in words_of(page)
    answer = okafor.fill(address, f"{address}/reply", words="Hola")

    assert answer.status_code == 409
    assert "Ms. Rivera is already talking with this family" in words_of(answer)
    assert "Hola" in answer.text


def test_a_call_is_logged_with_its_outcome_and_note(town: Town) -> None:
    desk, _, address = a_waiting_family(town)

    desk.fill(address, f"{address}/call", outcome="voicemail", note="again at noon")

    said = words_of(desk.get(address))
    assert "Ms. Rivera called: left a voicemail. again at noon" in said
    wrong = desk.fill(address, f"{address}/call", outcome="sang a song")
    assert wrong.status_code == 422
    assert "Choose what became of the call" in words_of(wrong)


def test_a_family_goes_back_to_the_program(town: Town) -> None:
    desk, _, address = a_waiting_family(town)
    desk.fill(address, f"{address}/take")

    answer = desk.fill(address, f"{address}/return")

    assert answer.status_code == 303
    assert town.conversation().owner is not Owner.STAFF
    assert "Ms. Rivera returned the talk to the program" in words_of(desk.get(address))
    again = desk.post(f"{address}/return", **desk.hidden_fields("/desk/", "/sign-out"))
    assert again.status_code == 409
    assert "nothing to return" in words_of(again)


@pytest.mark.parametrize(("known", "accounted"), [("yes", 1), ("no", 0)])
def test_resolving_says_what_was_agreed_and_what_we_know(town: Town, known: str, accounted: int) -> None:
    desk, _, address = a_waiting_family(town)

    answer = desk.fill(address, f"{address}/resolve", agreed="A ride at 10", known=known)

    assert answer.status_code == 303
    assert "Resolved by Ms. Rivera: A ride at 10" in words_of(desk.get(address))
    assert "Nobody is waiting" in words_of(desk.get("/desk/"))
    assert town.ledger().accounted_for == accounted
    twice = desk.post(
        f"{address}/resolve", **desk.hidden_fields("/desk/", "/sign-out"), agreed="again", known="yes"
    )
    assert twice.status_code == 409
    assert "already resolved" in words_of(twice)


def test_the_open_page_learns_what_happens_elsewhere(town: Town) -> None:
    desk, number, address = a_waiting_family(town)
    (news,) = re.findall(r'hx-get="(/desk/family/\d+/news[^"]*)"', desk.get(address).text)

    assert desk.get(news).status_code == 204
    town.now += timedelta(minutes=1)
    town.family_writes(number, "¿sigue ahí?")
    changed = desk.get(news)

    assert "¿sigue ahí?" in words_of(changed)
    assert 'hx-swap-oob="outerMorph"' in changed.text, "the head of the page changes with it"
    assert "<textarea" not in changed.text, "what somebody is typing stays"


def test_a_familys_words_are_shown_as_words(town: Town) -> None:
    desk, number, address = a_waiting_family(town)
    town.now += timedelta(minutes=1)
    town.family_writes(number, '<script>alert(1)</script> & "so"')

    for page in (desk.get(address), desk.get("/desk/")):
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


# --- the ledger ----------------------------------------------------------------------------------------------


def test_the_ledger_counts_the_day_in_plain_words_and_opens_each_number(town: Town) -> None:
    desk, _, _ = a_waiting_family(town)

    page = desk.get("/desk/ledger")
    said = words_of(page)

    assert "Ledger of Friday, October 22, 2021" in said
    assert "Absent 1" in said
    (link,) = re.findall(r'href="(/desk/ledger\?[^"#]*outcome=[^"#]*)#list"', page.text)
    assert "Maya Rivera" in words_of(desk.get(link.replace("&amp;", "&")))


def test_a_day_without_absences_and_a_day_that_is_none(town: Town) -> None:
    desk, _, _ = a_waiting_family(town)

    assert "No absent student on this day" in words_of(desk.get("/desk/ledger?date=2021-10-21"))
    assert "That is not a date" in words_of(desk.get("/desk/ledger?date=yesterday"))


def test_the_ledger_counts_ones_own_schools_only(town: Town) -> None:
    a_waiting_family(town)
    with town.database.begin() as session:
        elsewhere = a_staff_member(session, a_school(session, "Parkville School"), name="Mr. Elsewhere")

    assert "No absent student" in words_of(desk_of(town, elsewhere).get("/desk/ledger"))


# --- words and times -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (0, "less than a minute"),
        (1, "1 min"),
        (59, "59 min"),
        (60, "1 h"),
        (61, "1 h 1 min"),
        (1440, "1 day"),
        (2880, "2 days"),
    ],
)
def test_a_wait_is_said_as_people_say_it(minutes: int, said: str) -> None:
    assert times.lasted(timedelta(minutes=minutes)) == said


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (datetime(2021, 10, 22, 13, 41, tzinfo=UTC), "9:41 AM"),
        (datetime(2021, 10, 22, 4, 5, tzinfo=UTC), "12:05 AM"),
        (datetime(2021, 10, 22, 16, 0, tzinfo=UTC), "12:00 PM"),
        (datetime(2021, 10, 22, 1, 0, tzinfo=UTC), "Thu 9:00 PM"),
        (datetime(2021, 10, 16, 13, 41, tzinfo=UTC), "Sat 9:41 AM"),
        (datetime(2021, 10, 15, 13, 41, tzinfo=UTC), "Oct 15, 9:41 AM"),
        (datetime(2020, 12, 1, 13, 41, tzinfo=UTC), "Dec 1, 2020, 8:41 AM"),
    ],
)
def test_a_moment_is_said_in_the_schools_zone(moment: datetime, said: str) -> None:
    assert times.said(moment, HARTFORD, datetime(2021, 10, 22, 14, 0, tzinfo=UTC)) == said


def test_every_code_has_words() -> None:
    for codes, said in (
        (Urgency, words.URGENCY),
        (Role, words.ROLE),
        (Barrier, words.BARRIER),
        (Outcome, words.OUTCOME),
        (CallOutcome, words.CALL),
        (ConsentKind, words.CONSENT),
    ):
        assert set(said) == set(codes)
    assert words.why("some_new_reason") == "Some new reason"


def _a_text(**changed: object) -> WeWrote:
    values = {
        "at": datetime(2021, 10, 22, tzinfo=UTC),
        "body": "",
        "english": "",
        "language": Language.SPANISH,
        "by": "",
        "state": TextState.SENT,
        "delivery": Delivery.SENT,
        "why_not": "",
        "error_code": "",
        **changed,
    }
    return WeWrote(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "said", "wrong"),
    [
        (_a_text(state=TextState.QUEUED), "On its way", False),
        (_a_text(), "Sent, not confirmed", False),  # TW-54
        (_a_text(delivery=Delivery.DELIVERED), "Delivered", False),
        (_a_text(delivery=Delivery.UNDELIVERED), "May not have arrived", True),
        (_a_text(delivery=Delivery.UNDELIVERED, error_code="39999"), "May not have arrived", True),  # TW-55
        (_a_text(delivery=Delivery.UNDELIVERED, error_code="30004"), "Blocked by the family", True),
        (_a_text(delivery=Delivery.UNDELIVERED, error_code="30006"), "Did not arrive: landline", True),
        (_a_text(state=TextState.UNKNOWN), "May not have arrived", True),
        (_a_text(state=TextState.REFUSED, error_code="21614"), "Not sent: landline", True),
        (_a_text(state=TextState.REFUSED, error_code="1"), "Not sent: the phone service refused it", True),
        (_a_text(state=TextState.NOT_SENT, why_not="too_late"), "Not sent: the window closed", True),
        (
            _a_text(state=TextState.NOT_SENT, why_not="overtaken"),
            "Not sent: the talk went on before it left",
            True,
        ),
    ],
)
def test_delivery_is_said_in_plain_words(text: WeWrote, said: str, wrong: bool) -> None:
    assert words.delivery(text) == said
    assert words.went_wrong(text) is wrong


def test_every_reason_not_to_send_has_words() -> None:
    for refusal in Refusal:
        said = words.delivery(_a_text(state=TextState.NOT_SENT, why_not=refusal.value))
        assert said.startswith("Not sent: ")
        assert "_" not in said


def test_a_text_that_failed_stands_out_on_the_familys_page(town: Town) -> None:
    desk, _, address = a_waiting_family(town)
    with town.database.begin() as session:
        text = session.scalars(select(OutboundText).order_by(OutboundText.id)).first()
        assert text
        text.delivery, text.error_code = Delivery.UNDELIVERED, "30006"

    page = desk.get(address)

    assert "Did not arrive: landline" in words_of(page)
    assert '<li class="text ours trouble">' in page.text


def test_staff_see_every_conversation_as_a_picture(town: Town) -> None:
    """Each flow has its drawing, and a flow nobody wrote has none."""
    desk, _, _ = a_waiting_family(town)

    page = desk.get("/desk/conversations")
    picture = desk.get("/desk/conversations/housing.svg")

    assert all(f"/desk/conversations/{name}.svg" in page.text for name in town.script.flows.flows)
    assert picture.mimetype == "image/svg+xml"
    assert "safe place" in picture.text
    assert desk.get("/desk/conversations/nobody.svg").status_code == 404
