"""Notes, open and restricted: whom they exist for, what each change and each reading leaves behind."""

import itertools

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from bot.advance import Script
from bot.casework import notes
from bot.casework.written import CaseworkRefused
from bot.store.session import Database
from bot.store.tables import AuditLine, Note, NoteVersion, Staff
from bot.timeline import casework as story
from bot.timeline.entries import NoteWritten
from bot.understanding import Understanding
from tests.builders import NOW, a_guardian, a_school, a_student
from tests.cases import Cast, a_cast, as_member
from tests.town import Town
from tests.web import Browser, pages, words_of

_keys = itertools.count()


def a_note(session: Session, cast: Cast, words: str = "Likes drawing.", **more: object) -> int:
    return notes.write(
        session,
        cast.maya.id,
        cast.rivera.id,
        words,
        form_key=f"n{next(_keys)}",
        now=NOW,
        **more,  # type: ignore[arg-type]
    )


def sees(session: Session, cast: Cast, member: Staff) -> bool:
    return bool(notes.about(session, [cast.maya.id], as_member(session, member)))


def readings(session: Session) -> list[int | None]:
    return list(session.scalars(select(AuditLine.staff_id).where(AuditLine.act == "note_read")))


# --- whom a note exists for ---------------------------------------------------------------------------------


def test_an_open_note_is_everybodys_at_the_school_and_nobodys_elsewhere(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        a_note(session, cast)

        for member in (cast.rivera, cast.okafor, cast.supervisor, cast.office, cast.auditor):
            assert sees(session, cast, member), member.name
        assert not sees(session, cast, cast.elsewhere)


def test_a_restricted_note_exists_for_its_author_and_whom_it_names(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        note = a_note(session, cast, restricted=True, readers=[cast.okafor.id])

        assert sees(session, cast, cast.rivera)
        assert sees(session, cast, cast.okafor)
        for member in (cast.supervisor, cast.office, cast.auditor, cast.elsewhere):
            assert not sees(session, cast, member), member.name
            assert notes.read(session, note, as_member(session, member), NOW) is None, member.name
        assert readings(session) == []


def test_the_supervisors_read_it_only_where_the_author_ticked_them(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        a_note(session, cast, restricted=True, for_supervisors=True)

        assert sees(session, cast, cast.supervisor)
        assert not sees(session, cast, cast.okafor)
        assert not sees(session, cast, cast.office)


def test_a_reader_who_leaves_the_school_reads_no_more(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        note = a_note(session, cast, restricted=True, readers=[cast.okafor.id])
        member = as_member(session, cast.okafor)
        moved = type(member)(member.id, member.email, member.name, member.role, frozenset({999}))

        assert notes.read(session, note, moved, NOW) is None


def test_nobody_of_another_school_can_be_named(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        with pytest.raises(CaseworkRefused, match="does not work at the student's school"):
            a_note(session, cast, restricted=True, readers=[cast.elsewhere.id])


def test_each_reading_of_a_restricted_note_leaves_a_line_without_its_words(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        note = a_note(session, cast, "the stepfather hits", restricted=True, readers=[cast.okafor.id])

        for _ in range(2):
            found = notes.read(session, note, as_member(session, cast.okafor), NOW)
            assert found
            assert found.words == "the stepfather hits"
        notes.change(session, note, as_member(session, cast.rivera), "he left", seen=1, now=NOW)

        assert readings(session) == [cast.okafor.id] * 2
        for line in session.scalars(select(AuditLine)):
            for said in (line.detail, line.before, line.after):
                assert "stepfather" not in said
                assert "he left" not in said


def test_an_open_note_is_read_without_a_line(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        assert notes.read(session, a_note(session, cast), as_member(session, cast.okafor), NOW)
        assert readings(session) == []


def test_a_note_about_the_family_stands_with_each_child_of_it(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        omar, stranger = a_student(session, cast.school, "Omar"), a_student(session, cast.school, "Zoe")
        father = a_guardian(session, cast.maya, omar, name="Luis")
        a_note(session, cast, "Luis works nights.", guardian_id=father.id)
        reader = as_member(session, cast.okafor)

        assert [note.family for note in notes.about(session, [omar.id], reader)] == ["Luis Rivera"]
        assert notes.about(session, [stranger.id], reader) == []
        with pytest.raises(CaseworkRefused, match="not on the student's file"):
            a_note(session, cast, guardian_id=a_guardian(session, stranger).id)


def test_a_note_about_a_family_with_a_child_at_each_school_shows_no_name_of_the_other_school(
    database: Database,
) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        other = a_student(session, a_school(session, "Third School"), "Omar")
        father = a_guardian(session, cast.maya, other, name="Luis")
        note = a_note(session, cast, "Luis works nights.", guardian_id=father.id)
        reader = as_member(session, cast.elsewhere)
        third = type(reader)(reader.id, reader.email, reader.name, reader.role, frozenset({other.school_id}))

        found = notes.read(session, note, third, NOW)

        assert found
        assert found.student == ""


# --- history ------------------------------------------------------------------------------------------------


def test_a_change_keeps_what_stood_there_and_nothing_can_be_removed(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        rivera = as_member(session, cast.rivera)
        note = a_note(session, cast, "first")
        assert notes.change(session, note, rivera, "second", seen=1, now=NOW)
        assert not notes.change(session, note, rivera, "second", seen=1, now=NOW)  # a second click

        found = notes.read(session, note, rivera, NOW)
        assert found
        assert [version.words for version in found.versions] == ["first", "second"]
        line = session.scalars(select(AuditLine).where(AuditLine.act == "note_changed")).one()
        assert (line.before, line.after) == ("first", "second")
    for statement in (delete(NoteVersion), update(NoteVersion).values(words="")):
        with pytest.raises(DatabaseError, match="append only"), database.begin() as session:
            session.execute(statement)


def test_two_tabs_of_one_author_lose_no_words(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        rivera = as_member(session, cast.rivera)
        note = a_note(session, cast, "first")
        notes.change(session, note, rivera, "from one tab", seen=1, now=NOW)
        with pytest.raises(CaseworkRefused, match="in another tab meanwhile"):
            notes.change(session, note, rivera, "from the other", seen=1, now=NOW)


def test_only_the_author_changes_a_note(database: Database) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        note = a_note(session, cast)
        for member in (cast.okafor, cast.supervisor, cast.office):
            with pytest.raises(CaseworkRefused, match="Only its author"):
                notes.change(session, note, as_member(session, member), "mine", seen=1, now=NOW)


# --- the timeline -------------------------------------------------------------------------------------------


def test_the_familys_story_has_open_words_and_of_a_restricted_note_only_that_it_is_there(
    database: Database,
) -> None:
    with database.begin() as session:
        cast = a_cast(session)
        a_note(session, cast, "open words")
        a_note(session, cast, "secret words", restricted=True, readers=[cast.okafor.id])

        def told(member: Staff) -> list[tuple[bool, str]]:
            found = story.entries(session, [cast.maya.id], as_member(session, member), {})
            return sorted(
                (entry.restricted, entry.words) for entry in found if isinstance(entry, NoteWritten)
            )

        assert told(cast.okafor) == [(False, "open words"), (True, "")]
        assert told(cast.supervisor) == [(False, "open words")]
        assert told(cast.elsewhere) == []
        assert list(story.entries(session, [cast.maya.id], None, {})) == []


# --- the pages ----------------------------------------------------------------------------------------------


@pytest.fixture
def town(sqlite: Database, script: Script, understanding: Understanding) -> Town:
    return Town(sqlite, script, understanding)


@pytest.fixture
def cast(town: Town) -> Cast:
    with town.database.begin() as session:
        return a_cast(session)


def desk(town: Town, member: Staff) -> Browser:
    return Browser(pages(town), town).signed_in_as(member)


def test_a_restricted_note_is_written_and_read_behind_a_click(town: Town, cast: Cast) -> None:
    browser, okafor, lead = (desk(town, each) for each in (cast.rivera, cast.okafor, cast.supervisor))
    new = f"/desk/student/{cast.maya.id}/note"

    answer = browser.fill(new, new, words="very private", who="restricted", reader=str(cast.okafor.id))

    assert answer.status_code == 303
    with town.database.begin() as session:
        note = session.scalars(select(Note)).one().id
    student = f"/desk/student/{cast.maya.id}"
    seen = okafor.get(student).text
    assert "Restricted note." in seen
    assert "very private" not in seen
    assert "estricted" not in words_of(lead.get(student))
    assert lead.get(f"/desk/note/{note}").status_code == 404
    with town.database.begin() as session:
        assert readings(session) == []
    assert "very private" in words_of(okafor.get(f"/desk/note/{note}"))
    with town.database.begin() as session:
        assert readings(session) == [cast.okafor.id]


def test_the_longest_note_in_any_script_is_kept_and_a_longer_one_comes_back_with_its_words(
    town: Town, cast: Cast
) -> None:
    browser = desk(town, cast.rivera)
    new = f"/desk/student/{cast.maya.id}/note"
    token = browser.hidden_fields(new, new)
    longest = "学" * notes.LONGEST_NOTE

    def sent(words: str) -> int:
        answer = browser.ask(
            "POST", new, data={**token, "words": words, "who": "open"}, content_type="multipart/form-data"
        )
        if answer.status_code == 422:
            assert "20,001 characters and may have 20,000" in words_of(answer)
            assert words in answer.text
        return answer.status_code

    assert sent("a" * (notes.LONGEST_NOTE + 1)) == 422
    assert sent(longest) == 303
    with town.database.begin() as session:
        assert session.scalars(select(NoteVersion.words)).one() == longest


def test_a_note_of_a_megabyte_gets_a_sentence(town: Town, cast: Cast) -> None:
    browser = desk(town, cast.rivera)
    new = f"/desk/student/{cast.maya.id}/note"
    token = browser.hidden_fields(new, new)

    answer = browser.post(new, **token, words="a" * 1_000_000, who="open")

    assert answer.status_code == 413
    assert "too long" in words_of(answer)


def test_words_about_status_are_warned_about_before_anything_is_kept(town: Town, cast: Cast) -> None:
    browser = desk(town, cast.rivera)
    new = f"/desk/student/{cast.maya.id}/note"

    answer = browser.fill(new, new, words="Rosa is undocumented", who="open")

    assert answer.status_code == 422
    assert "Leave immigration status out" in words_of(answer)
    assert "Rosa is undocumented</textarea>" in answer.text
    with town.database.begin() as session:
        assert session.scalars(select(Note)).all() == []
    assert browser.fill(new, new, words="Paid by Visa", who="open", status_asked="yes").status_code == 303


def test_markup_in_a_note_is_text(town: Town, cast: Cast) -> None:
    browser = desk(town, cast.rivera)
    new = f"/desk/student/{cast.maya.id}/note"
    browser.fill(new, new, words="<script>alert(1)</script>\x00 \u202e", who="open")

    page = browser.get(f"/desk/student/{cast.maya.id}").text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_an_author_changes_a_note_and_a_colleague_cannot(town: Town, cast: Cast) -> None:
    browser, okafor = desk(town, cast.rivera), desk(town, cast.okafor)
    with town.database.begin() as session:
        page = f"/desk/note/{a_note(session, cast, 'first words')}"

    assert f'action="{page}"' not in okafor.get(page).text
    token = okafor.hidden_fields("/desk/partners", "/sign-out")
    assert okafor.post(page, **token, words="mine", seen="1").status_code == 409
    assert browser.fill(page, page, words="second words").status_code == 303
    said = words_of(browser.get(page))
    assert "What it said before" in said
    assert "first words" in said


def test_another_schools_note_is_not_there(town: Town, cast: Cast) -> None:
    with town.database.begin() as session:
        note = a_note(session, cast)
    elsewhere = desk(town, cast.elsewhere)
    token = elsewhere.hidden_fields("/desk/partners", "/sign-out")

    assert elsewhere.get(f"/desk/note/{note}").status_code == 404
    assert elsewhere.post(f"/desk/note/{note}", **token, words="x", seen="1").status_code == 404
    assert elsewhere.get(f"/desk/student/{cast.maya.id}/note").status_code == 404
