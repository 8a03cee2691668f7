"""The contacts file: order, permission, language and numbers, and never a stranger's phone."""

import pytest
from sqlalchemy import update

from bot.language import Language
from bot.roster import Change, FileRefused, Problem
from bot.store.tables import Guardian, GuardianPhone, Guardianship, Phone

from .conftest import Office
from .district import District, written


def _numbers(office: Office, guardian: str) -> list[tuple[str, int, str, bool]]:
    rows = office.rows(
        GuardianPhone.kind,
        GuardianPhone.position,
        Phone.number,
        GuardianPhone.active,
        where=(GuardianPhone.phone_id == Phone.id)
        & (GuardianPhone.guardian_id == Guardian.id)
        & (Guardian.sourced_id == guardian),
    )
    return [(kind, position, number, active) for kind, position, number, active in rows]


def _link(office: Office, guardian: str) -> tuple[object, ...]:
    rows = office.rows(
        Guardianship.contact_order,
        Guardianship.lives_with,
        Guardianship.may_receive_texts,
        Guardianship.court_order,
        where=(Guardianship.guardian_id == Guardian.id) & (Guardian.sourced_id == guardian),
    )
    return rows[0]


def _language(office: Office, guardian: str) -> Language:
    found: Language = office.rows(Guardian.language, where=Guardian.sourced_id == guardian)[0][0]
    return found


@pytest.mark.parametrize(
    "written_so",
    ["(860) 555-0123", "860-555-0123", "860.555.0123", "8605550123", "+18605550123", "1 860 555 0123"],
)
def test_ph_2_one_number_in_many_forms_is_one_phone(
    office: Office, district: District, written_so: str
) -> None:
    district.contact("g1")["mobile"] = written_so
    district.contact("g2")["mobile"] = "860-555-0123"
    office.roster(district)
    assert len(office.rows(Phone.id, where=Phone.number == "+18605550123")) == 1


def test_mobile_comes_first_and_the_others_are_kept_for_calls(office: Office, district: District) -> None:
    district.contact("g1").update(mobile="860-555-0101", home="860-555-0102", work="860-555-0103")
    office.roster(district)
    assert _numbers(office, "g1") == [
        ("home", 2, "+18605550102", True),
        ("mobile", 1, "+18605550101", True),
        ("work", 3, "+18605550103", True),
    ]


def test_the_contacts_file_wins_over_the_rosters_own_numbers(office: Office, district: District) -> None:
    district.user("g1")["sms"] = "860-555-0150"
    district.user("g2")["sms"] = "860-555-0151"
    district.contact("g2")["mobile"] = ""
    office.roster(district)
    assert _numbers(office, "g1") == [("mobile", 1, "+18605550101", True)]
    assert _numbers(office, "g2") == [("mobile", 1, "+18605550151", True)]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("call grandma", 'mobile "call grandma": it holds words; enter the number alone'),
        ("n/a", 'mobile "n/a": it holds words; enter the number alone'),
        ("do not call 860-555-0123", "mobile: it holds words; enter the number alone"),
        ("555-1234", "mobile: it has 7 digits; expected 10 with area code"),
        ("860-555-0123 x12", "mobile: it has an extension, which cannot be texted"),
        ("1.2E+10", "mobile: a spreadsheet shortened it to powers of ten"),
        ("#####", 'mobile "#####": a spreadsheet column was too narrow to show it'),
        ("1-800-555-0199", "mobile: it is a toll-free number"),
        ("911", "mobile: it has 3 digits; expected 10 with area code"),
    ],
)
def test_ph_1_3_an_unusable_number_is_named_but_not_shown(
    office: Office, district: District, words: str, reason: str
) -> None:
    district.contact("g3")["mobile"] = words
    report = office.roster(district)
    [problem] = report.problems
    assert str(problem).startswith(f"contacts.csv line 4: {reason}")
    assert str(problem).endswith("; the number was left out")
    assert "0123" not in str(problem)
    assert _numbers(office, "g3") == []


def test_a_number_that_is_not_in_the_file_any_more_is_not_used_any_more(
    office: Office, district: District
) -> None:
    office.roster(district)
    district.contact("g1")["mobile"] = "860-555-0199"
    report = office.roster(district)
    assert report.changes["guardian_phones"] == Change(added=1, removed=1)
    assert _numbers(office, "g1") == [
        ("mobile", 1, "+18605550101", False),
        ("mobile", 1, "+18605550199", True),
    ]


def test_or_12_the_language_follows_the_file_until_the_family_has_chosen(
    office: Office, district: District
) -> None:
    office.roster(district)
    assert _language(office, "g1") is Language.SPANISH
    district.contact("g1")["preferred_language"] = "por"
    office.roster(district)
    assert _language(office, "g1") is Language.PORTUGUESE
    with office.database.begin() as session:
        session.execute(
            update(Guardian)
            .where(Guardian.sourced_id == "g1")
            .values(language=Language.VIETNAMESE, language_chosen_by_family=True)
        )
    district.contact("g1")["preferred_language"] = "spa"
    assert office.roster(district).changed_nothing
    assert _language(office, "g1") is Language.VIETNAMESE


def test_ed_7_a_language_we_do_not_speak_is_named_and_becomes_english(
    office: Office, district: District
) -> None:
    district.contact("g1")["preferred_language"] = "pus"
    district.contact("g2")["preferred_language"] = ""
    report = office.roster(district)
    reason = "preferred_language 'pus' is not one we speak; the contact is written to in English"
    assert report.problems == [Problem("contacts.csv", 2, reason)]
    assert _language(office, "g1") is _language(office, "g2") is Language.ENGLISH


def test_flags_and_order_are_kept_per_student_and_guardian(office: Office, district: District) -> None:
    district.contact("g1").update(contact_order="2", lives_with="N", may_receive_texts="N", court_order="Y")
    office.roster(district)
    assert _link(office, "g1") == (2, False, False, True)


@pytest.mark.parametrize("column", ["court_order", "may_receive_texts"])
@pytest.mark.parametrize("words", ["", "maybe", "see file"])
def test_law_43_a_flag_that_cannot_be_read_never_allows_a_text(
    office: Office, district: District, column: str, words: str
) -> None:
    district.contact("g1")[column] = words
    report = office.roster(district)
    assert f"{column} {words!r} is neither Y nor N" in str(report.problems[0])
    _, _, may_receive_texts, court_order = _link(office, "g1")
    assert court_order or not may_receive_texts
    assert report.coverage is not None
    assert report.coverage.reachable == 11


def test_an_order_that_is_no_number_comes_last(office: Office, district: District) -> None:
    district.contact("g1")["contact_order"] = "first"
    report = office.roster(district)
    assert "contact_order 'first'" in str(report.problems[0])
    assert _link(office, "g1")[0] == 99


def test_ids_are_numbers_of_students_or_sourced_ids(office: Office, district: District) -> None:
    district.contact("g1")["student_id"] = "s1"
    assert office.roster(district).problems == []


def test_unknown_people_are_named_and_nobody_is_created(office: Office, district: District) -> None:
    district.contact("g1")["student_id"] = "9999"
    district.contact("g2")["contact_id"] = "stranger"
    report = office.roster(district)
    assert [problem.reason for problem in report.problems] == [
        "student_id '9999' is not in the roster; the link was left out",
        "contact_id 'stranger' is not in the roster; the row was left out",
    ]


def test_law_41_an_id_that_could_be_two_people_is_nobodys(office: Office, district: District) -> None:
    """Student 1001 and another one whose sourcedId is 1001: a text must not reach the other's family."""
    district.user("s2")["sourcedId"] = "1001"
    district.roles = [
        row | {"userSourcedId": "1001"} if row["userSourcedId"] == "s2" else row for row in district.roles
    ]
    report = office.roster(district)
    assert "student_id '1001' is in the roster more than once" in str(report.problems[-1])


def test_a_link_that_only_the_contacts_file_knows_is_a_link(office: Office, district: District) -> None:
    """Some exporters leave agentSourcedIds empty for everybody (OR-10)."""
    for row in district.users:
        row["agentSourcedIds"] = ""
    assert office.roster(district).changes["guardianships"] == Change(added=12)


def test_once_there_is_a_contacts_file_nobody_it_does_not_name_is_texted(
    office: Office, district: District
) -> None:
    unnamed = district.contact("g1")
    district.contacts.remove(unnamed)
    office.roster(district)
    assert _link(office, "g1") == (1, False, False, False)


def test_a_later_roster_alone_keeps_what_the_contacts_file_said(office: Office, district: District) -> None:
    district.contact("g1").update(may_receive_texts="N", court_order="Y", contact_order="3")
    for row in district.users:
        row["sms"] = "860-555-0188" if row["sourcedId"] == "g2" else row["sms"]
    office.roster(district)
    assert office.roster(district, contacts=False).changed_nothing
    district.add_student(13)
    district.add_guardian(13)
    office.roster(district, contacts=False)
    assert _link(office, "g1") == (3, True, False, True)
    assert _link(office, "g13") == (1, False, False, False)


def test_rows_that_contradict_each_other_are_named_and_never_allow_more(
    office: Office, district: District
) -> None:
    district.add_student(13)
    district.contacts.append(
        district.contact("g1") | {"student_id": "1013", "preferred_language": "por", "mobile": "860-555-0177"}
    )
    district.contacts.append(district.contact("g2") | {"court_order": "Y"})
    another = "gives the same contact another language; the earlier one was kept"
    report = office.roster(district)
    assert [(problem.file, problem.line, problem.reason) for problem in sorted(report.problems)] == [
        ("contacts.csv", 14, f"an earlier line {another}"),
        ("contacts.csv", 14, "mobile: line 2 has another one for the same contact; the number was left out"),
        (
            "contacts.csv",
            15,
            "an earlier line says otherwise of the same two people; the stricter flags count",
        ),
        ("users.csv", 26, "agentSourcedIds names 'g13', who is not in users.csv; that link was left out"),
    ]
    assert _language(office, "g1") is Language.SPANISH
    assert _link(office, "g2")[3]


def test_a_contact_with_a_row_that_cannot_be_read_stays_as_before(office: Office, district: District) -> None:
    office.roster(district)
    raw = written(district.contacts).replace(b",860-555-0101,", b",860,555,0101,", 1)
    report = office.roster(district, contacts=raw)
    assert str(report.problems[0]).startswith("contacts.csv line 2: it has 14 values where the header has 12")
    assert report.changed_nothing


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "has no column"),
        (b"student_id,contact_id\r\n1001,g1\r\n", "has no column relation, contact_order"),
        (written(District().contacts, delimiter=";"), "separated by semicolons"),
        (written(District().contacts).splitlines(keepends=True)[0], "has no rows"),
        ("\ufeff".encode("utf-16") + b"\x00", "is not a text file"),
    ],
)
def test_a_contacts_file_that_cannot_be_trusted_changes_nothing(
    office: Office, district: District, raw: bytes, why: str
) -> None:
    office.roster(district)
    before = office.everything()
    later = District(size=13)
    with pytest.raises(FileRefused, match=rf"contacts\.csv.*{why}.*nothing was changed"):
        office.roster(later, contacts=raw or b" ")
    assert office.everything() == before


def test_or_5_half_a_contacts_file_does_not_cut_the_families_off(office: Office) -> None:
    district = District(size=40)
    office.roster(district)
    district.contacts = district.contacts[:10]
    with pytest.raises(FileRefused, match="30 of 40 guardians' numbers"):
        office.roster(district)
