"""The family's chat page: one thread with the texts, the same consent, ownership and danger, on both databases."""

import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from bot import answering, chat, chat_links, outbox
from bot.advance import Script, begin, open_conversation
from bot.chat import kind_of, offered
from bot.store import migrate
from bot.store.session import Database, connect
from bot.store.tables import (
    Channel,
    ChatLink,
    Conversation,
    Delivery,
    Guardianship,
    InboundText,
    OutboundText,
    Phone,
    PhoneState,
    Picture,
    PictureType,
    Staff,
    TextState,
)
from bot.understanding import Understanding
from bot.vocabulary import Urgency
from tests.builders import FRIDAY, a_guardian, a_phone, a_school, a_staff_member, a_student, absent, number_of
from tests.conftest import ROOT
from tests.town import Town
from tests.web import PUBLIC, Browser, a_family, pages, words_of

JPEG = b"\xff\xd8\xff\xe0" + b"a doctor's note" * 20


@pytest.fixture
def linked(script: Script) -> Script:
    """The same talk, in a district that adds the link to its check-ins."""
    return replace(script, policy=replace(script.policy, chat_links=True, public_url=PUBLIC))


@pytest.fixture
def town(database: Database, linked: Script, understanding: Understanding) -> Town:
    return Town(database, linked, understanding)


class OnThePage:
    """A mother with the page of her link open, without cookies and without scripts."""

    def __init__(self, town: Town, number: str) -> None:
        self.town, self.number = town, number
        self.app = pages(town)
        self.client = self.app.test_client(use_cookies=False)
        (link,) = re.findall(rf"{PUBLIC}(/chat/\S+)", town.texts_to(number)[0])
        self.path = link

    def look(self, path: str = "") -> TestResponse:
        return self.client.get(path or self.path, base_url=PUBLIC, buffered=True)

    def form_key(self) -> str:
        (key, *_) = re.findall(r'name="form_key" value="(\w+)"', self.look().text)
        return str(key)

    def send(
        self,
        words: str = "",
        *,
        photo: bytes | None = None,
        form_key: str = "",
        headers: dict[str, str] | None = None,
    ) -> TestResponse:
        self.town.now += timedelta(seconds=5)
        fields = {"words": words.encode(), "form_key": (form_key or self.form_key()).encode()}
        if photo is not None:
            fields['photo"; filename="note.jpg'] = photo
        answer = self.client.post(
            self.path,
            data=_multipart(fields),
            base_url=PUBLIC,
            content_type="multipart/form-data; boundary=between",
            buffered=True,
            headers=headers,
        )
        self.town.work()
        return answer

    def bubbles(self) -> list[str]:
        shown = re.findall(r'<p class="bubble[^"]*"[^>]*>(.*?)</p>', self.look().text, re.DOTALL)
        return [str(each) for each in shown]


def _multipart(fields: dict[str, bytes]) -> bytes:
    parts = [
        f'--between\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
        for name, value in fields.items()
    ]
    return b"".join(parts) + b"--between--\r\n"


def on_the_page(town: Town, speaks: str = "en", *names: str) -> tuple[OnThePage, Staff]:
    number, member = a_family(town, *(names or ("Maya",)), speaks=speaks)
    town.morning()
    return OnThePage(town, number), member


def the_desk(page: OnThePage, member: Staff) -> Browser:
    return Browser(page.app, page.town).signed_in_as(member)


def staff_replies(page: OnThePage, member: Staff, words: str) -> None:
    town = page.town
    with town.database.begin() as session:
        answering.reply(session, town.conversation().id, member.id, words, script=town.script, now=town.now)
    town.work()


# --- the link ---------------------------------------------------------------------------------------------


def test_a_check_in_carries_no_link_unless_the_district_wants_it(
    sqlite: Database, script: Script, understanding: Understanding
) -> None:
    town = Town(sqlite, script, understanding)
    number, _ = a_family(town)

    town.morning()

    assert "/chat/" not in town.texts_to(number)[0]


def test_the_check_in_carries_a_link_in_the_familys_language_on_a_line_of_its_own(town: Town) -> None:
    number, _ = a_family(town, speaks="es")

    town.morning()

    last = town.texts_to(number)[0].splitlines()[-1]
    assert re.fullmatch(rf"O por chat aquí: {PUBLIC}/chat/[\w-]{{32}}", last)


def test_only_the_check_in_carries_it(town: Town) -> None:
    number, _ = a_family(town, speaks="en")
    town.morning()
    town.family_writes(number, "no ride today")
    town.family_writes(number, "1")

    assert [("/chat/" in sent) for sent in town.texts_to(number)].count(True) == 1


def test_neither_the_token_nor_anything_that_gives_it_is_kept(town: Town) -> None:
    page, _ = on_the_page(town)
    token = page.path.rpartition("/")[2]

    with town.database.begin() as session:
        kept = session.scalars(select(OutboundText)).one()
        link = session.scalars(select(ChatLink)).one()
    assert token not in kept.body
    assert token not in kept.english
    assert link.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert kept.segments == 2 or len(kept.body) == len(town.texts_to(page.number)[0])


@pytest.mark.parametrize("token", ["x", "a" * 32, "%00", "é" * 40, "*" * 32, "a" * 5000, "a/b"])
def test_a_link_nobody_made_is_met_with_a_kind_sentence_in_every_language(
    linked: Script, sqlite: Database, understanding: Understanding, token: str
) -> None:
    town = Town(sqlite, linked, understanding)
    page, _ = on_the_page(town)

    answer = page.look(f"/chat/{token}")

    assert answer.status_code == 404
    assert "This link is no longer good. Just text us." in answer.text
    assert 'dir="rtl"' in answer.text
    assert "queue" not in answer.text


def test_a_link_ends_after_its_days(town: Town) -> None:
    page, _ = on_the_page(town)

    town.now += timedelta(days=13, hours=23)
    assert page.look().status_code == 200
    form_key = page.form_key()
    town.now += timedelta(hours=2)

    assert page.look().status_code == 404
    assert page.look(f"{page.path}/news").status_code == 404
    assert page.send("hello", form_key=form_key).status_code == 404
    with town.database.begin() as session:
        assert not session.scalars(select(InboundText)).all()


def test_a_link_ends_when_a_court_order_comes(town: Town) -> None:
    """LAW-43: what may no longer be texted may no longer be read here."""
    page, _ = on_the_page(town)
    with town.database.begin() as session:
        session.scalars(select(Guardianship)).one().court_order = True

    assert page.look().status_code == 404


# --- what it shows ----------------------------------------------------------------------------------------


def test_the_page_shows_the_text_that_carried_it_and_buttons_for_its_choices(town: Town) -> None:
    page, _ = on_the_page(town)

    shown = page.look()

    assert "missed Maya today" in words_of(shown)
    assert "/chat/" not in "".join(page.bubbles())
    buttons = re.findall(r'name="words" value="(\d)">(.*?)<', shown.text)
    assert buttons == [("1", "sick"), ("2", "no ride"), ("3", "other")]
    assert "9:30 AM" in shown.text


def test_nothing_older_than_the_link_is_shown(town: Town) -> None:
    number, _ = a_family(town, speaks="en")
    town.family_writes(number, "a word of an older day")
    town.now += timedelta(minutes=30)
    town.morning()
    with town.database.begin() as session:
        link = chat.link_for_phone(session, a_phone(session, number).id, days=1, now=town.now)
        assert link
        session.execute(
            ChatLink.__table__.update().values(opened_at=town.now)  # type: ignore[attr-defined]
        )
    town.family_writes(number, "a word of now")

    shown = words_of(pages(town).test_client().get(f"/chat/{link}", base_url=PUBLIC))

    assert "a word of now" in shown
    assert "older day" not in shown


def test_a_pressed_choice_is_an_answer_like_any_other(town: Town) -> None:
    page, _ = on_the_page(town)

    answer = page.send("2")

    assert answer.status_code == 303
    assert page.bubbles()[1] == "2"
    assert "What is the trouble?" in page.bubbles()[2]
    assert len(town.texts_to(page.number)) == 1, "the answer stands on the page, not on the phone"


def test_the_answer_is_at_once_sent_and_delivered(town: Town) -> None:
    page, _ = on_the_page(town)
    page.send("2")

    with town.database.begin() as session:
        reply = session.scalars(select(OutboundText).order_by(OutboundText.id.desc())).first()
    assert reply
    assert (reply.channel, reply.state, reply.delivery) == (
        Channel.CHAT,
        TextState.SENT,
        Delivery.DELIVERED,
    )


def test_quiet_hours_do_not_hold_back_an_answer_on_an_open_page(town: Town) -> None:
    page, _ = on_the_page(town)
    town.now = datetime(2021, 10, 23, 3, 30, tzinfo=UTC)  # half past eleven at night in Hartford

    page.send("no ride today")

    assert len(page.bubbles()) == 3
    assert not town.waiting_texts()


def test_the_choices_go_when_the_bot_does_not_wait(town: Town) -> None:
    page, member = on_the_page(town)
    page.send("I want to talk to a person")
    staff_replies(page, member, "1 moment, 2 minutes")

    assert 'class="choices"' not in page.look().text


def test_arabic_is_right_to_left_and_english_is_not(town: Town) -> None:
    english, _ = on_the_page(town)
    arabic, _ = on_the_page(town, "ar", "Sami")

    assert '<html lang="en" dir="ltr">' in english.look().text
    assert '<html lang="ar" dir="rtl">' in arabic.look().text
    assert "إرسال" in arabic.look().text


def test_words_are_words_and_never_html(town: Town) -> None:
    page, _ = on_the_page(town)

    page.send("<script>alert(1)</script> & <b>sick</b>")

    assert "<script>alert" not in page.look().text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;sick&lt;/b&gt;" in page.look().text


def test_nothing_about_a_student_but_first_name_and_school(town: Town) -> None:
    page, _ = on_the_page(town)

    shown = page.look().text

    assert "Maya" in shown
    assert "Burns School" in shown
    for word in ("Rivera", "05", page.number, "Rosa"):
        assert word not in words_of(page.look()), word


def test_news_are_only_sent_when_there_are_any(town: Town) -> None:
    page, _ = on_the_page(town)
    (news,) = re.findall(r'hx-get="([^"]+)"', page.look().text)

    assert page.look(news.replace("&amp;", "&")).status_code == 204
    page.send("2")
    answer = page.look(news.replace("&amp;", "&"))
    assert answer.status_code == 200
    assert "What is the trouble?" in answer.text
    assert "<html" not in answer.text


def test_without_scripts_the_page_looks_again_after_a_text_and_never_later(town: Town) -> None:
    page, _ = on_the_page(town)
    form = {"words": "2", "form_key": page.form_key()}
    town.now += timedelta(seconds=5)
    sent = page.client.post(page.path, data=form, base_url=PUBLIC)
    where = sent.location.partition("#")[0]

    assert 'http-equiv="refresh" content="3;' in page.look(where).text
    town.work()
    assert "http-equiv" not in page.look(where).text
    assert "http-equiv" not in page.look().text


def test_the_page_is_light_and_asks_nobody_else(town: Town) -> None:
    page, _ = on_the_page(town, "ar", "Sami")
    page.send("2")
    shown = page.look()
    style = page.look("/static/chat.css")

    assert len(shown.data) + len(style.data) < 60_000
    assert not re.search(r'(?:src|href)="(?:https?:)?//', shown.text)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", shown.text)
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in shown.headers["X-Robots-Tag"]
    assert shown.headers["Cache-Control"] == "no-store"
    assert "default-src 'self'" in shown.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in shown.headers


def test_a_phone_of_the_demo_opens_its_chat_page(town: Town) -> None:
    a_family(town, speaks="en")
    town.morning()
    browser = Browser(pages(town, simulated=True), town)

    opened = browser.fill("/phones", "/phones/1/chat")

    assert opened.status_code == 303
    assert "missed Maya today" in words_of(browser.get(opened.location))


# --- one conversation ---------------------------------------------------------------------------------------


def test_the_desk_sees_one_thread_and_how_each_text_came(town: Town) -> None:
    page, member = on_the_page(town)
    page.send("no ride today")
    town.later(1)
    town.family_writes(page.number, "can somebody call me please")

    shown = words_of(the_desk(page, member).get(f"/desk/family/{town.conversation().id}"))

    assert re.search(r"no ride today .{0,40}by chat", shown)
    assert "can somebody call me please" in shown
    assert shown.count("by chat") == 2, "hers, and our answer to it"


def test_what_is_texted_shows_on_the_page_too(town: Town) -> None:
    page, _ = on_the_page(town)
    page.send("no ride today")
    town.family_writes(page.number, "the car broke down")

    assert "the car broke down" in page.bubbles()
    assert len(town.texts_to(page.number)) == 2, "she wrote by text last, so the answer is a text"
    assert page.bubbles()[-1] == town.texts_to(page.number)[-1]


def test_a_reply_of_staff_shows_on_the_open_page_and_is_not_sent(town: Town) -> None:
    page, member = on_the_page(town)
    page.send("I want to talk to a person")
    before = len(town.texts_to(page.number))

    staff_replies(page, member, "Hello, this is Ms. Rivera.")

    assert "Hello, this is Ms. Rivera." in page.bubbles()
    assert "Ms. Rivera" in words_of(page.look())
    assert len(town.texts_to(page.number)) == before


def test_a_reply_to_a_page_nobody_looks_at_goes_to_the_phone(town: Town) -> None:
    page, member = on_the_page(town)
    page.send("I want to talk to a person")
    town.now += timedelta(minutes=30)

    staff_replies(page, member, "Hello, this is Ms. Rivera.")

    assert town.texts_to(page.number)[-1] == "Hello, this is Ms. Rivera."
    assert page.bubbles()[-1] == "Hello, this is Ms. Rivera.", "and can be read here"


def test_an_answer_nobody_read_on_the_page_goes_to_the_phone_once(town: Town) -> None:
    page, member = on_the_page(town)
    page.send("I want to talk to a person")
    page.look()
    town.now += timedelta(minutes=2)
    staff_replies(page, member, "Hello, this is Ms. Rivera.")
    assert len(town.texts_to(page.number)) == 1

    for _ in range(3):
        town.now += timedelta(minutes=6)
        with town.database.begin() as session:
            outbox.send_unread_to_the_phone(session, town.script.policy, town.now)
        town.work()

    assert town.texts_to(page.number)[1:] == ["Hello, this is Ms. Rivera."]
    assert page.bubbles().count("Hello, this is Ms. Rivera.") == 1


def test_an_answer_that_was_read_on_the_page_stays_there(town: Town) -> None:
    page, member = on_the_page(town)
    page.send("I want to talk to a person")
    town.now += timedelta(seconds=20)
    staff_replies(page, member, "Hello, this is Ms. Rivera.")
    town.now += timedelta(seconds=10)
    page.look()
    town.now += timedelta(minutes=20)

    with town.database.begin() as session:
        assert outbox.send_unread_to_the_phone(session, town.script.policy, town.now) == 0


def test_the_bot_is_silent_while_a_person_talks(town: Town) -> None:
    """Promise 3."""
    page, member = on_the_page(town)
    staff_replies(page, member, "Hello, this is Ms. Rivera.")
    before = len(page.bubbles())

    page.send("she is sick")
    page.send("2")

    assert len(page.bubbles()) == before + 2


def test_stop_on_the_page_stops_the_texts(town: Town) -> None:
    page, _ = on_the_page(town)

    page.send("STOP")
    page.send("she is sick")
    town.later(300)

    assert "no more texts" in page.bubbles()[2]
    assert len(page.bubbles()) == 4, "after the confirmation nothing of ours, and hers is kept"
    assert len(town.texts_to(page.number)) == 1
    with town.database.begin() as session:
        assert a_phone(session, page.number).opted_out
    assert any(handoff.why == "stopped_texts" for handoff in town.handoffs())


def test_danger_on_the_page_pages_a_person_and_says_the_safety_text(town: Town) -> None:
    page, _ = on_the_page(town)

    page.send("she said she wants to kill herself")
    page.send("hello?")

    assert [handoff.urgency for handoff in town.handoffs()] == [Urgency.P0]
    assert "988" in page.bubbles()[2]
    assert len(page.bubbles()) == 4


def test_a_wrong_number_on_the_page_is_a_wrong_number(town: Town) -> None:
    page, _ = on_the_page(town)

    page.send("wrong number")

    with town.database.begin() as session:
        assert a_phone(session, page.number).state is PhoneState.WRONG_NUMBER


def test_a_line_that_cannot_be_texted_can_still_be_answered_on_the_page(town: Town) -> None:
    page, _ = on_the_page(town)
    with town.database.begin() as session:
        session.scalars(select(Phone)).one().state = PhoneState.LANDLINE

    page.send("no ride today")

    assert len(page.bubbles()) == 3


def test_on_a_shared_phone_each_link_opens_its_own_guardians_thread(town: Town) -> None:
    """What one guardian writes on the page never lands in the other's talk, not even in the newer one."""
    with town.database.begin() as session:
        school = a_school(session)
        number = ""
        links = []
        for name in ("Maya", "Sam"):
            student = a_student(session, school, name)
            guardian = a_guardian(session, student, number=number or None)
            number = number_of(session, guardian)
            absent(session, student)
            talk = open_conversation(
                session,
                phone_id=a_phone(session, number).id,
                guardian_id=guardian.id,
                school_id=school.id,
                students=[student.id],
                day=FRIDAY,
                language=guardian.language,
                script=town.script,
                now=town.now,
            )
            begin(session, talk, script=town.script, now=town.now)
            links.append(chat_links.make(session, talk, since=town.now, until=town.now + timedelta(days=1)))
    town.work()
    page = OnThePage(town, number)
    for link, words in zip(links, ("Maya has a fever", "Sam has a fever"), strict=True):
        page.path = f"/chat/{link}"
        page.send(words)

    for link, hers, others in zip(links, ("Maya", "Sam"), ("Sam", "Maya"), strict=True):
        page.path = f"/chat/{link}"
        assert f"{hers} has a fever" in page.bubbles()
        assert others not in words_of(page.look())


def test_the_next_days_texts_are_in_the_thread_and_the_page_writes_into_the_new_talk(town: Town) -> None:
    page, _ = on_the_page(town)
    page.send("she is sick")
    page.send("2")
    first = town.conversation().id
    town.now += timedelta(days=3)

    page.send("she is still sick today")

    assert town.conversation().id != first
    assert page.bubbles()[-2] == "she is still sick today"
    assert page.bubbles()[1] == "she is sick"
    assert "9:30 AM" in page.look().text
    assert "Friday, October 22" in page.look().text


# --- what is sent from it ------------------------------------------------------------------------------------


def test_a_double_click_writes_once(town: Town) -> None:
    page, _ = on_the_page(town)
    key = page.form_key()

    first, second = page.send("no ride today", form_key=key), page.send("no ride today", form_key=key)

    assert (first.status_code, second.status_code) == (303, 303)
    assert page.bubbles().count("no ride today") == 1
    with town.database.begin() as session:
        (kept,) = session.scalars(select(InboundText)).all()
        assert kept.provider_sid.startswith("chat-")
        assert kept.channel is Channel.CHAT


def test_nothing_at_all_is_met_with_a_kind_sentence(town: Town) -> None:
    page, _ = on_the_page(town)

    answer = page.send("  \n ")

    assert answer.status_code == 422
    assert "Please write something, or add a photo." in answer.text


@pytest.mark.parametrize("words", ["x" * 1601, "\x00\x01\x07 sick", "\u202e\u200f", "🙂" * 400])
def test_noise_is_taken_and_answered(town: Town, words: str) -> None:
    page, _ = on_the_page(town)

    assert page.send(words).status_code == 303
    assert page.look().status_code == 200
    assert town.unhandled() == 0
    assert len(page.bubbles()) >= 3 or town.handoffs()


def test_too_many_texts_in_ten_minutes_are_refused_kindly_and_then_taken_again(town: Town) -> None:
    page, _ = on_the_page(town)
    for n in range(20):
        assert page.send(f"word {n}").status_code == 303

    answer = page.send("what I typed last")
    assert answer.status_code == 429
    assert "Please wait a few minutes" in answer.text
    assert "what I typed last</textarea>" in answer.text

    town.now += timedelta(minutes=11)
    assert page.send("what I typed last").status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": PUBLIC}, 303),
        ({"Origin": "null"}, 303),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_form_of_another_site_is_refused(town: Town, headers: dict[str, str], status: int) -> None:
    page, _ = on_the_page(town)

    assert page.send("hello", headers=headers).status_code == status


# --- photos --------------------------------------------------------------------------------------------------


def test_a_photo_without_words_is_thanked_and_kept_for_the_staff_of_its_school_only(town: Town) -> None:
    page, member = on_the_page(town)
    with town.database.begin() as session:
        elsewhere = a_staff_member(session, a_school(session, "Other School"), name="Mr. Ortiz")

    assert page.send(photo=JPEG).status_code == 303

    assert "Photo sent" in page.bubbles()[1]
    assert "Thank you for the photo" in page.bubbles()[2]
    desk = the_desk(page, member)
    shown = desk.get(f"/desk/family/{town.conversation().id}").text
    (where,) = re.findall(r'href="(/desk/picture/\d+)"', shown)
    picture = desk.get(where)
    assert (picture.status_code, picture.data, picture.content_type) == (200, JPEG, "image/jpeg")
    assert picture.headers["Content-Disposition"].startswith("inline; filename=")
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert the_desk(page, elsewhere).get(where).status_code == 404
    assert page.look(where).status_code == 303, "a stranger is asked to sign in"


def test_a_photo_and_words_are_one_text(town: Town) -> None:
    page, _ = on_the_page(town)

    page.send("she has a fever, here is the note", photo=JPEG)

    assert page.bubbles()[1:3] == ["Photo sent", "she has a fever, here is the note"]
    with town.database.begin() as session:
        assert len(session.scalars(select(Picture)).all()) == 1


def test_a_double_click_keeps_one_photo(town: Town) -> None:
    page, _ = on_the_page(town)
    key = page.form_key()

    page.send(photo=JPEG, form_key=key)
    page.send(photo=JPEG, form_key=key)

    with town.database.begin() as session:
        assert len(session.scalars(select(Picture)).all()) == 1


@pytest.mark.parametrize(
    "content", [b"<svg onload='x'>", b"%PDF-1.7 note", b"GIF89a", b"MZ\x00", b"\xff\xd8"]
)
def test_another_kind_of_file_is_refused_kindly_and_the_words_stay(town: Town, content: bytes) -> None:
    page, _ = on_the_page(town)

    answer = page.send("my note", photo=content)

    assert answer.status_code == 415
    assert "Please send a photo." in answer.text
    assert "my note</textarea>" in answer.text
    with town.database.begin() as session:
        assert not session.scalars(select(InboundText)).all()


@pytest.mark.parametrize("size", [chat.LARGEST_PICTURE + 1, 6 * 1024 * 1024])
def test_a_photo_that_is_too_large_is_refused_kindly(town: Town, size: int) -> None:
    page, _ = on_the_page(town)

    answer = page.send(photo=JPEG.ljust(size, b"x"))

    assert answer.status_code == 413
    assert "up to 5 MB" in answer.text
    with town.database.begin() as session:
        assert not session.scalars(select(Picture)).all()


def test_a_photo_of_the_largest_size_is_kept(town: Town) -> None:
    page, _ = on_the_page(town)

    assert page.send(photo=JPEG.ljust(chat.LARGEST_PICTURE, b"x")).status_code == 303


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (JPEG, PictureType.JPEG),
        (b"\x89PNG\r\n\x1a\n...", PictureType.PNG),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", PictureType.WEBP),
        (b"\x00\x00\x00\x18ftypheic....", PictureType.HEIC),
        (b"\x00\x00\x00\x18ftypmif1....", PictureType.HEIC),
        (b"\x00\x00\x00\x18ftypmp42....", None),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"", None),
    ],
)
def test_a_photo_is_known_by_its_first_bytes(content: bytes, kind: PictureType | None) -> None:
    assert kind_of(content) is kind


# --- the choices of a text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "digits", "labels"),
    [
        ("OK? Write, or 1 sick, 2 no ride, 3 other. STOP ends texts.", "123", ["sick", "no ride", "other"]),
        (
            "P.S. 2: is it 1 a computer, or it is broken, 2 internet?",
            "12",
            ["a computer, or it is broken", "internet"],
        ),
        ("也可以回复：1 生病，2 没车，3 其他。回复STOP退订。", "123", ["生病", "没车", "其他"]),
        ("请回复：1生病，2没车。", "12", ["生病", "没车"]),
        (
            "اكتبوا: 1 مرض، 2 لا توجد وسيلة نقل، 3 شيء آخر. STOP",
            "123",
            ["مرض", "لا توجد وسيلة نقل", "شيء آخر"],
        ),
        ("Call 211 at 8:10. 1 yes please, 2 no.", "12", ["yes please", "no"]),
        ("Write the name, or 1 for all of them.", "1", []),
        ("Nothing to choose here.", "12", []),
        ("Only 2 of them.", "12", []),
        ("Is it 1 a dog or two?", "", []),
    ],
)
def test_the_choices_are_read_from_the_text_itself(said: str, digits: str, labels: list[str]) -> None:
    assert [choice.label for choice in offered(said, list(digits))] == labels


def test_every_menu_of_every_flow_gives_its_buttons(linked: Script) -> None:
    for flow in linked.flows.flows.values():
        for node in flow.nodes.values():
            digits = sorted(answer for answer in node.go or {} if answer.isdigit())
            if len(digits) > 1:
                assert len(offered(node.say, digits)) == len(digits), f"{flow.name}.{node.name}"


# --- the migration, with rows in the tables ------------------------------------------------------------------


def test_the_migration_keeps_what_was_there_and_goes_back(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/old.db")
    folder = ROOT / "migrations"
    with engine.begin() as connection:
        command.upgrade(migrate._config(folder, connection), "0001")
        connection.execute(text("INSERT INTO phones VALUES (1, '+12035550101', 'unknown', 'textable', 0, 0)"))
        connection.execute(
            text(
                "INSERT INTO inbound_texts (id, provider_sid, sender, words, media_count, opt_out_type, "
                "received_at) VALUES (1, 'SM1', '+12035550101', 'hello', 0, '', '2021-10-22 13:30:00')"
            )
        )
    migrate.upgrade(engine, folder)
    with engine.begin() as connection:
        assert connection.execute(text("SELECT words, channel FROM inbound_texts")).all() == [
            ("hello", "sms")
        ]
        command.downgrade(migrate._config(folder, connection), "0001")
        assert connection.execute(text("SELECT words FROM inbound_texts")).all() == [("hello",)]
    engine.dispose()


def test_the_database_itself_knows_two_channels_only(town: Town) -> None:
    on_the_page(town)
    with (
        pytest.raises(Exception, match=r"(?i)check"),
        town.database.begin() as session,
    ):
        session.execute(text("UPDATE conversations SET channel = 'pigeon'"))
    with town.database.begin() as session:
        assert session.scalars(select(Conversation.channel)).all() == [Channel.SMS]
