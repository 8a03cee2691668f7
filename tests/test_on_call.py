"""Danger reaches somebody who is not at the desk: whom, when, how often, and what they are told."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from sqlalchemy import select

from bot import answering, handoffs, mail, on_call, stopping
from bot.advance import Script
from bot.mail import Posted, Simulator, Smtp
from bot.on_call import OnCall
from bot.store.session import Database
from bot.store.tables import Alert, AlertState, OutboundText, Phone, School
from bot.understanding import Understanding
from bot.vocabulary import Role
from tests.builders import a_guardian, a_school, a_staff_member, a_student, absent, number_of
from tests.town import Town

FIRST, SECOND = "+14135550191", "+14135550192"
WHO = OnCall((FIRST, SECOND), ("first@example.org", "second@example.org"))
DANGER = "he says he wants to kill himself"


@dataclass
class Broken:
    """A mail server that answers as told, and counts."""

    answers: list[Posted]
    asked: list[str] = field(default_factory=list)

    def send(self, to: str, subject: str, body: str, *, key: str = "") -> Posted:
        self.asked.append(to)
        return self.answers.pop(0) if self.answers else Posted.ACCEPTED


class Night:
    """A father writes something alarming; the job looks again and again."""

    def __init__(self, town: Town, words: str = DANGER, at: datetime | None = None) -> None:
        self.town, self.mail = town, Simulator()
        with town.database.begin() as session:
            school = a_school(session)
            sam = a_student(session, school, "Sam")
            father = a_guardian(session, sam, name="Luis")
            absent(session, sam)
            self.number = number_of(session, father)
            self.rivera = a_staff_member(session, school).id
            supervisor = a_staff_member(session, school, name="Ms. Vance", role=Role.SUPERVISOR)
            self.supervisor = supervisor.email
            a_staff_member(session, a_school(session, "Parkville"), role=Role.SUPERVISOR)
        town.morning()
        town.now = at or town.now + timedelta(minutes=11)
        self.at = town.now
        self.talk = town.conversation().id
        self.writes(words)

    def writes(self, words: str) -> None:
        self.town.family_writes(self.number, words)

    def job(self, who: OnCall = WHO, carrier: mail.Mail | None = None) -> int:
        """One run of the job, in a program that may have been started just now: it remembers nothing."""
        town = self.town
        with town.database.begin() as session:
            told = on_call.raise_alarms(session, who, town.script.policy, town.now)
        on_call.send_letters(town.database, carrier or self.mail, town.script.policy, town.now)
        town.work()
        return told

    def runs(self, minutes: float, who: OnCall = WHO) -> None:
        """The job every half minute until so many minutes after the family's text."""
        while self.town.now < self.at + timedelta(minutes=minutes):
            self.town.now += timedelta(seconds=30)
            self.job(who)

    def texts(self) -> list[str]:
        return [text.to for text in self.town.provider.book if text.to in (FIRST, SECOND)]

    def letters(self) -> list[str]:
        return [letter.to for letter in self.mail.book]

    def opened(self) -> None:
        with self.town.database.begin() as session:
            handoffs.seen(session, self.talk, self.rivera, self.town.now)


@pytest.fixture
def town(database: Database, script: Script, understanding: Understanding) -> Town:
    return Town(database, script, understanding)


# --- whom, and when -----------------------------------------------------------------------------------------------


def test_the_first_on_the_list_is_told_within_a_minute_and_nobody_else(town: Town) -> None:
    night = Night(town)
    night.runs(1)

    assert (night.texts(), night.letters()) == ([FIRST], ["first@example.org"])


def test_after_five_minutes_the_next_and_the_supervisors_of_the_school_after_ten_everybody(
    town: Town,
) -> None:
    night = Night(town)
    night.runs(4.5)
    assert night.texts() == [FIRST]
    night.runs(9.5)
    assert night.texts() == [FIRST, SECOND]
    assert night.letters() == ["first@example.org", "second@example.org", night.supervisor]
    night.runs(20)

    assert night.texts() == [FIRST, SECOND, FIRST, SECOND]
    assert night.letters()[3:] == ["first@example.org", "second@example.org", night.supervisor]


def test_nobody_is_told_any_more_once_a_helper_has_opened_the_page(town: Town) -> None:
    night = Night(town)
    night.runs(3)
    night.opened()
    night.runs(20)

    assert (night.texts(), night.letters()) == ([FIRST], ["first@example.org"])


def test_nobody_is_told_of_what_somebody_has_taken(town: Town) -> None:
    night = Night(town)
    with town.database.begin() as session:
        answering.take(session, night.talk, night.rivera, script=town.script, now=town.now)
    night.runs(20)

    assert night.texts() == []


def test_what_is_less_than_danger_alarms_nobody(town: Town) -> None:
    night = Night(town, words="I want to talk with a person")
    night.runs(15)

    assert (night.texts(), night.letters()) == ([], [])


@pytest.mark.parametrize(
    "at", ["2021-10-22T06:30", "2021-10-23T18:00", "2021-11-25T15:00"], ids=["night", "Saturday", "holiday"]
)
def test_danger_keeps_no_office_hours(town: Town, at: str) -> None:
    night = Night(town, at=datetime.fromisoformat(at).replace(tzinfo=UTC) + timedelta(days=1))
    night.runs(6)

    assert night.texts() == [FIRST, SECOND]


def test_danger_heard_in_an_older_case_is_told_from_its_first_step_on(town: Town) -> None:
    """The case waits since this morning for something smaller: nobody jumps to the end of the list."""
    night = Night(town, words="I want to talk with a person")
    town.now += timedelta(hours=4)
    night.at = town.now
    night.writes(DANGER)
    night.runs(4)

    assert night.texts() == [FIRST]


def test_danger_heard_again_after_somebody_looked_alarms_again(town: Town) -> None:
    night = Night(town)
    night.runs(1)
    night.opened()
    night.runs(30)
    night.at = town.now
    night.writes("now he has taken all the pills, he wants to die")
    night.runs(1)

    assert night.texts() == [FIRST, FIRST]


def test_the_stop_button_holds_back_no_alarm(town: Town) -> None:
    night = Night(town, words="hello")
    with town.database.begin() as session:
        stopping.stop(session, by="Ms. Vance", reason="wrong roster", now=town.now)
    night.writes(DANGER)
    night.job()

    assert night.texts() == [FIRST]


# --- once, whatever happens ---------------------------------------------------------------------------------------


def test_a_program_that_starts_anew_tells_nobody_twice(town: Town) -> None:
    night = Night(town)
    for _ in range(5):
        night.job()

    assert (night.texts(), night.letters()) == ([FIRST], ["first@example.org"])


def test_after_a_standstill_everybody_is_told_once_and_not_step_by_step(town: Town) -> None:
    night = Night(town)
    town.now += timedelta(minutes=45)
    night.job()
    for _ in range(20):
        town.now += timedelta(seconds=30)
        night.job()

    assert sorted(night.texts()) == [FIRST, SECOND]
    assert sorted(night.letters()) == sorted(["first@example.org", "second@example.org", night.supervisor])


def test_two_workers_at_the_same_moment_tell_once(town: Town) -> None:
    night = Night(town)
    together = threading.Barrier(2)

    def work() -> None:
        together.wait()
        with town.database.begin() as session:
            on_call.raise_alarms(session, WHO, town.script.policy, town.now)
        on_call.send_letters(town.database, night.mail, town.script.policy, town.now)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    town.work()
    night.job()

    assert (night.texts(), night.letters()) == ([FIRST], ["first@example.org"])


def test_a_letter_in_doubt_is_not_sent_again_and_the_next_step_comes(town: Town) -> None:
    night = Night(town)
    server = Broken([Posted.UNKNOWN])
    night.job(carrier=server)
    for _ in range(10):
        town.now += timedelta(seconds=20)
        night.job(carrier=server)

    assert server.asked == ["first@example.org"]
    night.runs(6)
    assert night.letters() == ["second@example.org", night.supervisor]


def test_a_process_killed_while_it_hands_over_a_letter_leaves_a_doubt_and_no_second_letter(
    town: Town,
) -> None:
    class Killed(BaseException):
        pass

    class Dies:
        def send(self, to: str, subject: str, body: str, *, key: str = "") -> Posted:
            raise Killed

    night = Night(town)
    with pytest.raises(Killed):
        night.job(carrier=Dies())
    night.runs(4.5)

    assert night.letters() == []
    with town.database.begin() as session:
        assert [alert.state for alert in session.scalars(select(Alert).filter_by(kind="mail"))] == [
            AlertState.UNKNOWN
        ]


def test_a_server_that_is_away_is_asked_again(town: Town) -> None:
    night = Night(town)
    server = Broken([Posted.PASSING, Posted.PASSING])
    for _ in range(4):
        night.job(carrier=server)

    assert server.asked == ["first@example.org"] * 3


def test_who_cannot_be_told_at_all_is_passed_over_without_waiting(town: Town) -> None:
    """The first on the list wrote STOP from that telephone once, and the mail server refuses the address."""
    night = Night(town)
    with town.database.begin() as session:
        session.add(Phone(number=FIRST, opted_out=True))
    server = Broken([Posted.REFUSED])
    night.job(carrier=server)
    town.now += timedelta(seconds=10)
    night.job(carrier=server)

    assert night.texts() == [SECOND]


def test_without_anybody_on_the_list_the_supervisors_are_told_after_five_minutes(town: Town) -> None:
    night = Night(town)
    night.runs(6, OnCall())

    assert (night.texts(), night.letters()) == ([], [night.supervisor])


# --- what they are told -------------------------------------------------------------------------------------------


def test_no_name_and_no_word_of_the_family_leaves(town: Town) -> None:
    night = Night(town)
    night.runs(11)

    said = [text.body for text in town.provider.book if text.to in (FIRST, SECOND)]
    said += [f"{letter.subject} {letter.body}" for letter in night.mail.book]
    assert len(said) == 10
    for words in said:
        assert "Burns School" in words or "family needs help" in words
        assert f"/desk/family/{night.talk}" in words
        for secret in ("Sam", "Luis", "Rivera", "kill", night.number[-4:]):
            assert secret not in words
    with town.database.begin() as session:
        texts = session.scalars(select(OutboundText).filter_by(key="on_call")).all()
        assert {text.segments for text in texts} == {1}


def test_the_desk_knows_who_was_told_and_what_was_lost(town: Town) -> None:
    night = Night(town)
    with town.database.begin() as session:
        session.add(Phone(number=FIRST, opted_out=True))
        schools = list(session.scalars(select(School.id)))
    night.job()

    with town.database.begin() as session:
        (alarm,) = on_call.unopened(session, schools)
        assert (alarm.school, alarm.told, alarm.lost) == ("Burns School", 2, 1)
    night.opened()
    with town.database.begin() as session:
        assert on_call.unopened(session, schools) == []


# --- the mail server ----------------------------------------------------------------------------------------------


class _Server(socketserver.StreamRequestHandler):
    """Speaks as much SMTP as a letter needs; what it says at each word is the server's to choose."""

    def handle(self) -> None:
        says = self.server.says  # type: ignore[attr-defined]
        self._say(says.get("hello", "220 here"))
        while line := self.rfile.readline():
            word = line.decode().split(":")[0].split()[0].upper()
            if word == "DATA" and "DATA" not in says:
                self._say("354 go on")
                letter = b""
                while (more := self.rfile.readline()) not in (b".\r\n", b""):
                    letter += more
                self.server.letters.append(letter)  # type: ignore[attr-defined]
                if "end" in says and not says["end"]:
                    return
                self._say(says.get("end", "250 kept"))
            elif word == "QUIT":
                return
            else:
                self._say(says.get(word, "250 fine"))

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


@contextmanager
def a_server(**says: str) -> Iterator[tuple[Smtp, list[bytes]]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Server) as server:
        server.daemon_threads = True
        server.says, server.letters = says, []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        yield mail.at(f"smtp://127.0.0.1:{port}", "desk@example.org"), server.letters  # type: ignore[attr-defined]
        server.shutdown()


def test_a_letter_arrives_whole_in_any_language_and_says_what_it_is() -> None:
    with a_server() as (server, letters):
        became = server.send(
            "a@example.org", "Falta\nhoy", "Hoy extrañamos a Maya.\n.\nUn saludo\n", key="k1"
        )

    assert became is Posted.ACCEPTED
    letter = message_from_bytes(letters[0], policy=default)
    assert (letter["From"], letter["To"], letter["Subject"]) == (
        "desk@example.org",
        "a@example.org",
        "Falta hoy",
    )
    assert (letter["Message-ID"], letter["Auto-Submitted"]) == ("<k1@example.org>", "auto-generated")
    assert "extrañamos" in letter.get_content()


@pytest.mark.parametrize(
    ("says", "became"),
    [
        ({"RCPT": "550 no such user"}, Posted.REFUSED),
        ({"RCPT": "450 busy"}, Posted.PASSING),
        ({"MAIL": "451 later"}, Posted.PASSING),
        ({"DATA": "554 no"}, Posted.REFUSED),
        ({"end": "554 spam"}, Posted.REFUSED),
        ({"end": "452 full"}, Posted.PASSING),
        ({"end": ""}, Posted.UNKNOWN),
        ({"hello": "421 closed"}, Posted.PASSING),
    ],
)
def test_each_answer_of_the_server_is_taken_for_what_it_is(says: dict[str, str], became: Posted) -> None:
    with a_server(**says) as (server, _):
        assert server.send("a@example.org", "s", "b") is became


def test_a_server_that_is_not_there_is_tried_later() -> None:
    assert mail.at("smtp://127.0.0.1:1", "desk@example.org").send("a@example.org", "s", "b") is Posted.PASSING


@pytest.mark.parametrize("to", ["", "a", "a@b, c@d", "a@b\nBcc: c@d", "<a@b>", "ä@b"])
def test_what_is_no_single_address_gets_nothing(to: str) -> None:
    assert mail.at("smtp://127.0.0.1:1", "desk@example.org").send(to, "s", "b") is Posted.REFUSED
    assert Simulator().send(to, "s", "b") is Posted.REFUSED


def test_the_password_of_the_mail_server_is_read_and_never_printed() -> None:
    server = mail.at("smtps://desk%40example.org:p%2Fw@mail.example.org", "desk@example.org")

    assert (server.host, server.port, server.user, server.password, server.implicit_tls) == (
        "mail.example.org",
        465,
        "desk@example.org",
        "p/w",
        True,
    )
    assert "p/w" not in repr(server)
