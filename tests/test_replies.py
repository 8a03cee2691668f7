"""The reviewed replies: the file, ten languages, what fits a family, and who has read each translation."""

import html
import re
from datetime import date, time, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import select

from app import Program
from bot import replies
from bot.advance import Script
from bot.conversation.load import FlowError, load_replies
from bot.conversation.replies import Reply
from bot.language import Language
from bot.replies import ReviewRefused
from bot.store.session import Database
from bot.store.tables import OutboundText, ReplyReview, Staff
from bot.texts import Texts, Values, placeholders
from bot.understanding import Understanding
from bot.vocabulary import Barrier, Purpose, Role
from tests.builders import NOW, a_school, a_staff_member
from tests.conftest import ROOT
from tests.town import Town
from tests.web import Browser, a_family, pages, words_of

BOOK = load_replies(ROOT / "flows")
FRIDAY_AT_TWO = Values(
    students=["Maya"],
    schools=["Burns School"],
    staff="Ms. Rivera",
    office_phone="860-555-0100",
    day=date(2021, 10, 29),
    at=time(14),
)


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


def reply(key: str) -> Reply:
    return next(each for each in BOOK if each.key == key)


# --- the file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("one", BOOK, ids=lambda one: one.key)
def test_every_reply_is_there_in_every_language_and_nothing_is_left_to_fill_in(
    one: Reply, language: Language, texts: Texts
) -> None:
    filled = replies.fill(one, texts, language, FRIDAY_AT_TWO)

    assert filled
    assert filled.language is language
    assert not placeholders(filled.body)
    assert filled.segments <= 3


@pytest.mark.parametrize("one", BOOK, ids=lambda one: one.key)
def test_no_reply_blames_promises_or_asks_what_nobody_may_ask(one: Reply) -> None:
    """The tone of conversation.md: no law, no threat, no status, no promise."""
    said = one.say.casefold()

    for never in (
        "truan",
        "court",
        "law",
        "fine",
        "must",
        "immigra",
        "visa",
        "we will fix",
        "i promise",
        "why did",
    ):
        assert not re.search(rf"\b{never}", said), never


def test_a_specialist_has_a_reply_for_most_of_what_keeps_a_student_away() -> None:
    about = frozenset().union(*(one.about for one in BOOK))

    assert len(BOOK) >= 30
    assert {
        Barrier.TRANSPORTATION,
        Barrier.DEVICE,
        Barrier.FOOD_BASIC_NEEDS,
        Barrier.HOUSING,
        Barrier.SAFETY_BULLYING,
        Barrier.ILLNESS,
        Barrier.BEREAVEMENT,
    } <= about


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('a: {say: "x", when: "y"}', "a: a reply has say, when and about; see: about"),
        ('a: {say: "{name}", when: "y", about: anything}', "{name} is unknown in a reply"),
        ('a: {say: "{school", when: "y", about: anything}', "a brace is not closed"),
        ('a: {say: "x", when: "y", about: hunger}', "`about: hunger` is unknown"),
        ('a: {say: "x", when: "y", about: anything}\na: {say: "x", when: "y", about: anything}', "twice"),
        ("- a", "expected entries"),
        ("", "the file is empty"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "replies.yaml").write_text(written, encoding="utf-8")

    with pytest.raises(FlowError, match=re.escape(said)):
        load_replies(tmp_path)


# --- what fits a family ---------------------------------------------------------------------------------------


def offered(town: Town, texts: Texts, values: Values = FRIDAY_AT_TWO, **more: object) -> list[str]:
    with town.database.begin() as session:
        found = replies.offers(session, BOOK, texts, Language.SPANISH, values, **more)  # type: ignore[arg-type]
    return [offer.reply.key for offer in found]


def test_replies_are_found_in_english_and_in_the_familys_language_without_accents(
    town: Town, texts: Texts
) -> None:
    assert "food_help" in offered(town, texts, find="food")
    assert "food_help" in offered(town, texts, find="COMIDA cerca")
    assert offered(town, texts, find="medico") == offered(town, texts, find="médico") == ["doctor_note"]
    assert offered(town, texts, find="qwxyz") == []
    assert len(offered(town, texts)) == len(BOOK)


def test_what_the_family_told_us_comes_first(town: Town, texts: Texts) -> None:
    assert offered(town, texts, barriers=[Barrier.DEVICE])[0] == "device_ready"


def test_a_reply_that_names_what_nobody_knows_is_not_offered(town: Town, texts: Texts) -> None:
    stranger = Values(staff="Ms. Rivera")

    for key in offered(town, texts, stranger):
        assert not placeholders(reply(key).say) & {"student", "school", "phone"}
    assert "missed_your_call" not in offered(town, texts, Values(["Maya"], ["Burns School"]))


def test_a_reply_is_not_ready_before_its_day_and_time_are_chosen(texts: Texts) -> None:
    half = Values(students=["Maya"], schools=["Burns School"], staff="Ms. Rivera", day=date(2021, 10, 29))

    assert replies.fill(reply("visit_offer"), texts, Language.SPANISH, half) is None
    filled = replies.fill(reply("visit_offer"), texts, Language.SPANISH, FRIDAY_AT_TWO)
    assert filled
    assert "el viernes, 29 de octubre a las 2:00 p.m." in filled.body
    assert "Friday, October 29 at 2:00 PM" in filled.english


# --- on a family's page -----------------------------------------------------------------------------------------


def a_desk(town: Town) -> tuple[Browser, str]:
    number, member = a_family(town)
    town.morning()
    town.now += timedelta(minutes=11)
    town.family_writes(number, "no tenemos carro, quiero hablar con una persona")
    desk = Browser(pages(town, replies=BOOK, language_of=Program().language_of), town).signed_in_as(member)
    return desk, f"/desk/family/{town.conversation().id}"


def box_of(page: str) -> str:
    (words,) = re.findall(r'<textarea class="form-control" id="words".*?>(.*?)</textarea>', page, re.DOTALL)
    return html.unescape(words)


def sent_by_staff(town: Town) -> list[OutboundText]:
    with town.database.begin() as session:
        query = select(OutboundText).where(OutboundText.purpose == Purpose.REPLY, OutboundText.staff_id > 0)
        return list(session.scalars(query.order_by(OutboundText.id)))


def test_choosing_fills_the_box_shows_the_english_and_sends_nothing(town: Town) -> None:
    desk, address = a_desk(town)
    listed = desk.get(address).text
    (link,) = re.findall(r'href="([^"]*reply=ride_which_bus[^"]*)"', listed)

    page = desk.get(html.unescape(link)).text

    assert box_of(page).startswith("¿Cómo llega Maya a la escuela")
    assert "How does Maya get to school most days" in words_of(desk.get(html.unescape(link)))
    assert sent_by_staff(town) == []


def test_a_ready_reply_keeps_its_key_and_its_english_and_is_not_asked_about(town: Town) -> None:
    desk, address = a_desk(town)
    chosen = f"{address}?reply=first_words"

    answer = desk.fill(chosen, f"{address}/reply", words=box_of(desk.get(chosen).text))

    assert answer.status_code == 303
    (text,) = sent_by_staff(town)
    assert text.key == "replies.first_words"
    assert text.english.startswith("Hello, this is Ms. Rivera from Burns School.")
    assert "I am a person, not the program." in words_of(desk.get(address))


def test_a_ready_reply_that_was_changed_is_the_writers_own_and_claims_no_english(town: Town) -> None:
    desk, address = a_desk(town)
    chosen = f"{address}?reply=ride_which_bus"

    words = box_of(desk.get(chosen).text) + " Gracias."
    assert desk.fill(chosen, f"{address}/reply", words=words).status_code == 303

    (text,) = sent_by_staff(town)
    assert (text.key, text.english) == ("", "")


def test_a_day_and_a_time_are_asked_for_before_such_a_reply_is_in_the_box(town: Town) -> None:
    desk, address = a_desk(town)

    asks = desk.get(f"{address}?reply=visit_offer").text
    assert box_of(asks) == ""
    assert 'type="date"' in asks
    ready = f"{address}?reply=visit_offer&day=2021-10-29&at=14:00"
    words = box_of(desk.get(ready).text)
    assert "el viernes, 29 de octubre a las 2:00 p.m." in words
    assert desk.fill(ready, f"{address}/reply", words=words).status_code == 303
    assert sent_by_staff(town)[0].key == "replies.visit_offer"


@pytest.mark.parametrize(
    "asked", ["reply=nonsense", "reply=visit_offer&day=soon&at=99:99", "find=%00%F0%9F%98%80"]
)
def test_whatever_stands_in_the_address_the_page_opens(town: Town, asked: str) -> None:
    desk, address = a_desk(town)

    assert desk.get(f"{address}?{asked}").status_code == 200


def test_searching_works_as_a_form_and_as_a_piece_of_the_page(town: Town) -> None:
    desk, address = a_desk(town)
    find = quote("comida cerca")

    for answer in (desk.get(f"{address}?find={find}"), desk.get(f"{address}/replies?find={find}")):
        assert "211" in words_of(answer)
        assert "reply=device_ready" not in answer.text
    assert "No ready reply has these words" in words_of(desk.get(f"{address}?find=qwxyz"))


# --- who has read which translation --------------------------------------------------------------------------------


def staff_of(town: Town, role: Role) -> Staff:
    with town.database.begin() as session:
        return a_staff_member(session, a_school(session, f"School of {role}"), name="Ms. Chief", role=role)


def test_a_leader_marks_a_translation_as_read_by_a_person_and_everybody_sees_it(town: Town) -> None:
    desk = Browser(pages(town, replies=BOOK), town).signed_in_as(staff_of(town, Role.SUPERVISOR))
    page = "/desk/replies?language=pt"
    action = "/desk/replies/thank_you/pt/reviewed"
    assert "0 of 34 have been read" in words_of(desk.get(page))

    for _ in range(2):
        form = {
            "seen": replies.mark_of(
                Texts.load(ROOT / "locales").translation(
                    "replies.thank_you", reply("thank_you").say, Language.PORTUGUESE
                )
                or ""
            )
        }
        token = desk.hidden_fields(page, "/desk/replies/closing/pt/reviewed")["csrf_token"]
        answer = desk.post(action, csrf_token=token, reviewer="Marta Lopes,  teacher", **form)
        assert answer.status_code == 303

    said = words_of(desk.get(page))
    assert "read by Marta Lopes, teacher, noted by Ms. Chief" in said
    assert "1 of 34 has been read" in said
    with town.database.begin() as session:
        assert len(session.scalars(select(ReplyReview)).all()) == 1


def test_a_specialist_reads_the_replies_and_marks_none(town: Town) -> None:
    desk = Browser(pages(town, replies=BOOK), town).signed_in_as(staff_of(town, Role.SPECIALIST))

    page = desk.get("/desk/replies?language=es")

    assert page.status_code == 200
    assert "Mark as reviewed" not in page.text
    token = desk.hidden_fields("/desk/replies", "/sign-out")["csrf_token"]
    answer = desk.post("/desk/replies/thank_you/es/reviewed", csrf_token=token, reviewer="Me")
    assert answer.status_code == 403


def test_a_changed_wording_loses_its_review_and_an_old_page_cannot_give_it_one(
    database: Database, texts: Texts
) -> None:
    one = reply("thank_you")
    spanish = texts.translation(one.line, one.say, Language.SPANISH)
    assert spanish
    other = Texts({Language.SPANISH: {one.line: (one.say, "Otra cosa. {staff}, {school}")}})
    with database.begin() as session:
        member = a_staff_member(session, a_school(session))
        given = {"reviewer": "Ana Cruz", "staff_id": member.id, "now": NOW}
        replies.mark_reviewed(
            session,
            one,
            texts,
            Language.SPANISH,
            seen=replies.mark_of(spanish),
            **given,  # type: ignore[arg-type]
        )

        def review(of: Texts) -> object:
            ((_, (wording,)),) = replies.book(session, [one], of, [Language.SPANISH])
            return wording.review

        assert review(texts) is not None
        assert review(other) is None
        with pytest.raises(ReviewRefused, match="has changed since the page was opened"):
            replies.mark_reviewed(
                session,
                one,
                other,
                Language.SPANISH,
                seen=replies.mark_of(spanish),
                **given,  # type: ignore[arg-type]
            )
        with pytest.raises(ReviewRefused, match="no Polish wording"):
            replies.mark_reviewed(session, one, other, Language.POLISH, seen="", **given)  # type: ignore[arg-type]
        with pytest.raises(ReviewRefused, match="Name the person"):
            replies.mark_reviewed(
                session,
                one,
                texts,
                Language.SPANISH,
                seen=replies.mark_of(spanish),
                reviewer="  ",
                staff_id=member.id,
                now=NOW,
            )


def test_the_page_of_all_replies_searches_every_language(town: Town) -> None:
    desk = Browser(pages(town, replies=BOOK), town).signed_in_as(staff_of(town, Role.SPECIALIST))

    said = words_of(desk.get("/desk/replies?find=" + quote("хвилювання")))

    assert "You were right:" in said
    assert "Thank you for writing" not in said
    assert "No reply has these words" in words_of(desk.get("/desk/replies?find=qwxyz"))
    assert desk.get("/desk/replies?language=klingon&find=%00").status_code == 200
