"""A text in the family's language: what it says, what it costs, and what a catalogue may hold."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app import Program
from bot.conversation.flow import PLACEHOLDERS
from bot.language import Language
from bot.texts import (
    PHRASES,
    CatalogueError,
    Gap,
    Line,
    Texts,
    Values,
    catalogue_path,
    clock_time,
    day_name,
    gaps,
    is_gsm7,
    joined,
    placeholders,
    review_state,
    segments,
    sendable,
    update,
)
from tests.conftest import ROOT

HARTFORD = ZoneInfo("America/New_York")

# --- what a text costs: the published boundaries (TX-1 to TX-7, TX-11) ----------------------------------

# 3GPP TS 23.038, typed in anew: the basic alphabet, and the extension that costs two.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[]~|€"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 459, 3),
        ("a" * 460, 4),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("я" * 134, 2),
        ("я" * 135, 3),
        ("я" * 201, 3),
        ("я" * 202, 4),
        ("a" * 69 + "я", 1),  # one letter outside GSM-7 converts the whole text (TX-3)
        ("a" * 70 + "я", 2),
        ("€" * 80, 1),
        ("€" * 80 + "a", 2),
        ("a" * 158 + "€", 1),
        ("a" * 159 + "€", 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # never ceil(n / 153): a pair is not split (TX-4)
        ("a" * 153 + "€" + "a" * 151, 2),
        ("😀" * 35, 1),
        ("😀" * 35 + "a", 2),
        ("😀" * 36, 2),
        ("я" * 66 + "😀" + "я" * 66, 3),  # nor is a surrogate pair
        ("я" * 67 + "😀" + "я" * 65, 2),
        ("😀" * 66, 2),
        ("😀" * 67, 3),  # 33 pairs in a part of 67 units, not 33 and a half
        ("[" * 70, 1),
        ("[" * 69 + "я", 1),  # in UCS-2 a bracket costs one again
        ("a\r\n" * 53 + "a", 1),
        ("a\r\n" * 53 + "aa", 2),  # CRLF costs two (TX-5)
    ],
)
def test_a_text_is_billed_by_the_published_boundaries(text: str, parts: int) -> None:
    assert segments(text) == parts


@pytest.mark.parametrize("character", EXTENSION)
def test_each_character_of_the_extension_costs_two(character: str) -> None:
    assert is_gsm7(character)
    assert segments(character + "a" * 158) == 1
    assert segments(character + "a" * 159) == 2


def test_gsm7_is_exactly_the_published_alphabet() -> None:
    """TX-1. The escape code itself is no character of a text."""
    everything = (chr(point) for point in range(0x3000) if point != 0x1B)

    assert {c for c in everything if is_gsm7(c)} == set(BASIC + EXTENSION)


@pytest.mark.parametrize("character", "áíóúÁÍÓÚçâêîôûãõëïÈÒÀ`\t\u00a0\u2019\u201c\u2013\u2014\u2026•")
def test_a_letter_that_many_think_is_in_gsm7_makes_the_text_ucs2(character: str) -> None:
    """TX-2."""
    assert segments("a" * 100 + character) == 2


@pytest.mark.parametrize("character", "ñÑéÉüÜ¿¡Çèòàùì")
def test_a_letter_of_gsm7_leaves_the_text_cheap(character: str) -> None:
    """TX-8: a Spanish text without accented a, i, o, u costs what an English one costs."""
    assert segments("a" * 159 + character) == 1


def test_a_composed_letter_costs_what_its_phone_gets() -> None:
    """TX-7: e and a combining accent are one é once the text is made sendable."""
    decomposed = unicodedata.normalize("NFD", "é" * 160)

    assert segments(sendable(decomposed)) == 1
    assert segments(sendable(unicodedata.normalize("NFD", "ñ" * 160))) == 1


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("\u2018Maya\u2019s\u2019", "'Maya's'"),
        ("\u201cyes\u201d \u201eno\u201f", '"yes" "no\u201f'),
        ("8\u20139 \u2014 ok", "8-9 - ok"),
        ("well\u2026", "well..."),
        ("2:00\u202fPM", "2:00 PM"),
        ("2:00\u00a0p.m.", "2:00 p.m."),
        ("a\u2003b\u3000c\td", "a b c d"),
        ("a\u200bb\ufeffc\u00add", "abcd"),
        ("a\u2028b\u2029c", "a b c"),
        ("e\u200b\u0301", "é"),
        ("e\x00\u0301", "é"),
        ("`tick` \u1fef", "'tick' '"),
        ("a\x07b\x1bc", "abc"),
        ("a\r\nb", "a\nb"),
        ("broken\ud83d", "broken"),
        ("Maïs à midi, año, sí", "Maïs à midi, año, sí"),  # accents are never dropped (TX-8)
        (
            "\u2068Maya\u2069 \u200d",
            "\u2068Maya\u2069 \u200d",
        ),  # marks of direction and joiners carry meaning
    ],
)
def test_a_text_leaves_without_look_alikes_and_unseen_characters(written: str, sent: str) -> None:
    """TX-6, TX-10."""
    assert sendable(written) == sent


@given(st.text())
@example("e\u200b\u0301\u1fef")
def test_what_was_counted_is_what_leaves(text: str) -> None:
    """TX-6: making a text sendable once more changes nothing, so that preview, count and text are one."""
    once = sendable(text)

    assert sendable(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not any(unicodedata.category(c) in ("Cs", "Cc") for c in once.replace("\n", ""))


@given(st.text(alphabet=st.sampled_from([*"aé€[\n", "я", "😀", "中"]), max_size=400))
def test_the_parts_of_a_text_hold_all_of_it_and_split_nothing(text: str) -> None:
    """TX-3, TX-4: counted the slow way, by filling one part after the other."""
    units = [len(c.encode("utf-16-be")) // 2 for c in text]
    room = (70, 67)
    if all(c in BASIC + EXTENSION for c in text):
        units, room = [1 + (c in EXTENSION) for c in text], (160, 153)
    filled = [0]
    for unit in units:
        if filled[-1] + unit > room[1]:
            filled.append(0)
        filled[-1] += unit

    assert segments(text) == (1 if sum(units) <= room[0] else len(filled))


# --- names, days, times -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "names", "said"),
    [
        ("en", [], ""),
        ("en", ["Ana"], "Ana"),
        ("en", ["Ana", "Luis"], "Ana and Luis"),
        ("en", ["Ana", "Luis", "Maya"], "Ana, Luis, and Maya"),
        ("es", ["Ana", "Luis"], "Ana y Luis"),
        ("es", ["Ana", "Luis", "Maya"], "Ana, Luis y Maya"),
        ("es", ["Ana", "Irene"], "Ana e Irene"),
        ("es", ["Ana", "Íñigo"], "Ana e Íñigo"),
        ("es", ["Ana", "Hilda"], "Ana e Hilda"),
        ("es", ["Ana", "Ian"], "Ana y Ian"),
        ("es", ["Irene", "Ana"], "Irene y Ana"),
        ("pt", ["Ana", "Luis"], "Ana e Luis"),
        ("ht", ["Ana", "Luis"], "Ana ak Luis"),
        ("ht", ["Ana", "Luis", "Maya"], "Ana, Luis ak Maya"),
        ("pl", ["Ana", "Luis"], "Ana i Luis"),
        ("sq", ["Ana", "Luis"], "Ana dhe Luis"),
        ("vi", ["Ana", "Luis"], "Ana và Luis"),
        ("uk", ["Ana", "Luis"], "Ana і Luis"),
        ("zh", ["Ana", "Luis"], "Ana和Luis"),
        ("ar", ["Ana", "Luis"], "\u2068Ana\u2069 و\u2068Luis\u2069"),
        ("ar", ["José"], "\u2068José\u2069"),
        ("ar", ["ليلى"], "ليلى"),
    ],
)
def test_names_are_joined_as_the_language_joins_them(language: str, names: list[str], said: str) -> None:
    assert joined(names, Language(language)) == said


DAYS = {
    "en": "Wednesday, November 24",
    "es": "miércoles, 24 de noviembre",
    "pt": "quarta-feira, 24 de novembro",
    "ht": "mèkredi 24 novanm",
    "ar": "الأربعاء، 24 نوفمبر",
    "pl": "środa, 24 listopada",
    "sq": "e mërkurë, 24 nëntor",
    "vi": "Thứ Tư, 24 tháng 11",
    "uk": "середа, 24 листопада",
    "zh": "11月24日星期三",
}


@pytest.mark.parametrize("language", Language)
def test_a_day_is_written_out_with_its_weekday_and_month(language: Language) -> None:
    """CT-11: never 11/24. Haitian Creole is not French; digits stay ASCII (TX-10)."""
    assert day_name(date(2021, 11, 24), language) == DAYS[language.value]


@pytest.mark.parametrize("language", Language)
def test_every_weekday_and_month_has_a_name_of_its_own(language: Language) -> None:
    days = {day_name(date(2021, 3, day), language) for day in range(1, 8)}
    months = {day_name(date(2021, month, 1), language) for month in range(1, 13)}

    assert (len(days), len(months)) == (7, 12)
    assert not any("/" in day for day in days | months)


TIMES = {"en": "2:05 PM", "es": "2:05 p.m.", "ht": "2:05 PM", "ar": "2:05 م", "sq": "2:05 m.d."}


@pytest.mark.parametrize("language", Language)
def test_a_time_has_plain_spaces_and_plain_digits(language: Language) -> None:
    """TX-6, TX-10: a narrow space would turn the whole text into UCS-2."""
    said = clock_time(time(14, 5), language)

    assert said == TIMES.get(language.value, "14:05")
    assert not re.search(r"[^\S ]", said)


# --- rendering --------------------------------------------------------------------------------------------


MONDAY = datetime(2021, 10, 18, 13, 30, tzinfo=UTC)
FULL = Values(
    students=["Maya", "Luis"],
    schools=["Burns School"],
    by=datetime(2021, 10, 18, 18, 0, tzinfo=UTC),
    now=MONDAY,
    zone=HARTFORD,
    district="Grand Bend ISD",
    office_phone="(860) 555-0100",
    day=date(2021, 10, 18),
)


def catalogue(**languages: Mapping[str, tuple[str, str]]) -> Texts:
    return Texts({Language(code): lines for code, lines in languages.items()})


def test_a_line_the_language_lacks_is_said_in_english_and_spanish() -> None:
    """The stated policy: what the family got first was English, and the desk is told so."""
    texts = catalogue(es={"a.b": ("Hello {students}.", "Hola {students}.")}, pl={})

    said = texts.render("a.b", "Hello {students}.", FULL, Language.POLISH)

    assert said.body == "Hello Maya and Luis.\nHola Maya y Luis."
    assert said.language is Language.ENGLISH
    assert said.english == "Hello Maya and Luis."
    assert said.segments == segments(said.body)


def test_a_line_that_spanish_lacks_too_is_said_in_english() -> None:
    assert catalogue().render("a.b", "Hello.", FULL, Language.SPANISH).body == "Hello."


def test_a_translation_of_an_older_sentence_is_not_used() -> None:
    texts = catalogue(es={"a.b": ("Call us.", "Llámenos.")})

    said = texts.render("a.b", "Do not call us.", FULL, Language.SPANISH)

    assert said.body == "Do not call us."
    assert not texts.speaks(Line("a.b", "Do not call us."), Language.SPANISH)


def test_a_translation_of_another_line_with_the_same_words_is_not_used() -> None:
    texts = catalogue(es={"a.b": ("Thank you.", "Gracias.")})

    assert texts.render("c.d", "Thank you.", FULL, Language.SPANISH).body == "Thank you."


def test_the_desk_reads_the_same_text_in_english() -> None:
    texts = catalogue(es={"a.b": ("Hello {students}.", "Hola {students}.")})

    said = texts.render("a.b", "Hello {students}.", FULL, Language.SPANISH)

    assert (said.body, said.english, said.language) == (
        "Hola Maya y Luis.",
        "Hello Maya and Luis.",
        Language.SPANISH,
    )


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (datetime(2021, 10, 18, 18, 0, tzinfo=UTC), "by 2:00 PM today"),
        (datetime(2021, 10, 19, 3, 30, tzinfo=UTC), "by 11:30 PM today"),  # already tomorrow in UTC (CT-3)
        (datetime(2021, 10, 19, 16, 0, tzinfo=UTC), "by 12:00 PM tomorrow"),
        (datetime(2021, 10, 20, 16, 0, tzinfo=UTC), "on Wednesday, October 20 by 12:00 PM"),
        (None, "as soon as possible"),
    ],
)
def test_a_promise_names_a_moment_of_the_schools_own_day(by: datetime | None, said: str) -> None:
    values = Values(by=by, now=MONDAY, zone=HARTFORD)

    assert catalogue().render("a.b", "A person writes {by}.", values, Language.ENGLISH).body == (
        f"A person writes {said}."
    )


def test_a_time_with_its_own_full_stop_does_not_bring_a_second_one() -> None:
    phrases = {"when.today": (PHRASES["when.today"], "hoy antes de las {time}")}
    line = {"a.b": ("We write {by}. Wait...", "Le escribimos {by}. Espere...")}

    said = catalogue(es=phrases | line).render("a.b", "We write {by}. Wait...", FULL, Language.SPANISH)

    assert said.body == "Le escribimos hoy antes de las 2:00 p.m. Espere..."


def test_latin_names_and_numbers_keep_their_direction_in_arabic() -> None:
    """TX-9: without isolates a phone reads (860) 555-0100 backwards."""
    english = "{school} {district} {office_phone}"
    texts = catalogue(ar={"a.b": (english, "{school} {district} {office_phone} مرحبا")})

    said = texts.render("a.b", english, FULL, Language.ARABIC)

    assert said.body == (
        "\u2068Burns School\u2069 \u2068Grand Bend ISD\u2069 \u2068(860) 555-0100\u2069 مرحبا"
    )
    assert said.english == "Burns School Grand Bend ISD (860) 555-0100"


def test_a_name_with_braces_is_only_a_name() -> None:
    values = Values(students=["{office_phone}", "{0.__class__}"], office_phone="secret")

    said = catalogue().render("a.b", "Hello {students}.", values, Language.ENGLISH)

    assert said.body == "Hello {office_phone} and {0.__class__}."


@given(
    line=st.lists(
        st.one_of(
            st.sampled_from([f"{{{name}}}" for name in sorted(PLACEHOLDERS)]),
            st.text(alphabet=st.characters(exclude_characters="{}")),
        )
    ).map("".join),
    language=st.sampled_from(Language),
    by=st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_a_rendered_text_never_holds_a_placeholder(
    line: str, language: Language, by: datetime | None
) -> None:
    values = Values(
        ["Maya"], ["Burns School"], by, MONDAY, HARTFORD, "Grand Bend ISD", "(860) 555-0100", MONDAY.date()
    )
    texts = Texts({each: {"a.b": (line, line)} for each in Language})

    said = texts.render("a.b", line, values, language)

    assert "{" not in said.body + said.english
    assert "\n" not in said.body
    assert sendable(said.body) == said.body
    assert said.segments == segments(said.body)


# --- catalogues -------------------------------------------------------------------------------------------

HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
GREETING = [Line("hello.ask", "Hello {students}", "Kindly."), Line("hello.end", "Thank you.")]


def a_catalogue(folder: Path, language: Language, content: str | bytes) -> Path:
    path = catalogue_path(folder, language)
    path.parent.mkdir(parents=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def entry(translated: str, english: str = "Hello {students}", flags: str = "") -> str:
    return f'{HEAD}{flags}msgctxt "hello.ask"\nmsgid "{english}"\nmsgstr "{translated}"\n'


@pytest.mark.parametrize(
    "translated",
    [
        "Hola",
        "Hola {student}",
        "Hola {students} {school}",
        "Hola {students",
        "Hola {students!r}",
        "Hola {students:>40}",
        "Hola {students[0]}",
        "Hola {{students}}",
        "Hola {}",
    ],
)
def test_a_translation_with_other_placeholders_is_refused_by_file_and_line(
    tmp_path: Path, translated: str
) -> None:
    path = a_catalogue(tmp_path, Language.SPANISH, entry(translated))

    with pytest.raises(CatalogueError) as refused:
        Texts.load(tmp_path)

    assert str(path) in str(refused.value)
    assert "hello.ask" in str(refused.value)
    assert "use exactly the same" in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        entry("Hola {students}").encode().replace(b"Hola", b"Hol\xe1"),
        b"garbage\n",
        entry("Hola {students}").replace("utf-8", "klingon").encode(),
    ],
)
def test_a_catalogue_that_cannot_be_read_is_named_and_never_overwritten(
    tmp_path: Path, content: bytes
) -> None:
    """What were skipped in silence would be lost at the next update."""
    path = a_catalogue(tmp_path, Language.SPANISH, content)

    for use in (
        lambda: Texts.load(tmp_path),
        lambda: update(tmp_path, GREETING, Language.SPANISH),
        lambda: gaps(tmp_path, GREETING, Language.SPANISH),
    ):
        with pytest.raises(CatalogueError) as refused:
            use()
        assert str(path) in str(refused.value)
    assert path.read_bytes() == content


def test_a_stale_line_of_a_catalogue_is_not_said(tmp_path: Path) -> None:
    a_catalogue(tmp_path, Language.SPANISH, entry("Hola {students}", flags="#, fuzzy\n"))

    assert not Texts.load(tmp_path).speaks(GREETING[0], Language.SPANISH)
    assert gaps(tmp_path, GREETING, Language.SPANISH) == [
        Gap("hello.ask", "stale"),
        Gap("hello.end", "missing"),
    ]


def test_a_new_catalogue_says_who_has_reviewed_it_and_lacks_every_line(tmp_path: Path) -> None:
    assert review_state(tmp_path, Language.POLISH) == "no catalogue"

    update(tmp_path, GREETING, Language.POLISH)

    assert review_state(tmp_path, Language.POLISH).startswith("machine-drafted")
    assert [gap.why for gap in gaps(tmp_path, GREETING, Language.POLISH)] == ["missing", "missing"]


def test_an_update_keeps_translations_remarks_and_the_head(tmp_path: Path) -> None:
    head = "# Spanish: what families read.\n# Review: read by Ana Ruiz, 2026-08-01\n"
    path = a_catalogue(
        tmp_path, Language.SPANISH, head + entry("Hola {students}", flags="# Ana: we say usted.\n")
    )

    update(tmp_path, GREETING, Language.SPANISH)

    written = path.read_text(encoding="utf-8")
    assert written.startswith(head)
    assert 'msgstr "Hola {students}"' in written
    assert "# Ana: we say usted." in written
    assert "#. Kindly." in written
    assert Texts.load(tmp_path).speaks(GREETING[0], Language.SPANISH)
    assert review_state(tmp_path, Language.SPANISH) == "read by Ana Ruiz, 2026-08-01"


def test_a_changed_english_line_keeps_its_translation_as_stale_until_a_person_has_looked(
    tmp_path: Path,
) -> None:
    path = a_catalogue(tmp_path, Language.SPANISH, entry("Hola {students}"))
    changed = [Line("hello.ask", "Dear {students}")]

    for _ in range(2):  # a second update must not take the mark away
        update(tmp_path, changed, Language.SPANISH)

        assert 'msgstr "Hola {students}"' in path.read_text(encoding="utf-8")
        assert gaps(tmp_path, changed, Language.SPANISH) == [Gap("hello.ask", "stale")]
        assert not Texts.load(tmp_path).speaks(changed[0], Language.SPANISH)


@pytest.mark.parametrize("language", Language)
def test_two_updates_write_the_same_bytes(tmp_path: Path, language: Language) -> None:
    """No date, no order of a set: the history of a catalogue is what people changed."""
    first = update(tmp_path, GREETING, language).read_bytes()

    assert update(tmp_path, GREETING, language).read_bytes() == first


def test_english_is_its_own_translation(tmp_path: Path) -> None:
    update(tmp_path, GREETING, Language.ENGLISH)
    update(tmp_path, [Line("hello.ask", "Dear {students}"), GREETING[1]], Language.ENGLISH)

    assert not gaps(tmp_path, [Line("hello.ask", "Dear {students}"), GREETING[1]], Language.ENGLISH)


# --- what we really say ------------------------------------------------------------------------------------

PROGRAM = Program()
# The longest of the sample district (TX-14), and the longest way to name a moment: another day.
LONGEST = Values(
    students=["Maximilianos"],
    schools=["Grand Bend Elementary School"],
    by=datetime(2021, 9, 22, 16, 30, tzinfo=UTC),
    now=datetime(2021, 9, 20, 13, 30, tzinfo=UTC),
    zone=HARTFORD,
    district="Grand Bend ISD",
    office_phone="(860) 555-0100",
    day=date(2021, 9, 22),
)


def said_in(texts: Texts, language: Language) -> list[Line]:
    """The lines of whole texts that *language* says; the phrases are measured inside them."""
    return [line for line in PROGRAM.lines if line.key not in PHRASES and texts.speaks(line, language)]


@pytest.mark.parametrize("language", Language)
def test_every_line_fits_its_parts_with_the_longest_names(texts: Texts, language: Language) -> None:
    """TX-14: two parts where GSM-7 is enough, three where the script needs UCS-2."""
    over = []
    for line in said_in(texts, language):
        said = texts.render(line.key, line.english, LONGEST, language)
        if said.segments > (2 if is_gsm7(said.body) else 3):
            over.append(f"{line.key}: {said.segments} parts, {len(said.body)} characters: {said.body}")

    assert not over


def test_no_english_line_leaves_gsm7(texts: Texts) -> None:
    outside = [
        line.key
        for line in said_in(texts, Language.ENGLISH)
        if not is_gsm7(texts.render(line.key, line.english, LONGEST, Language.ENGLISH).body)
    ]

    assert not outside


@pytest.mark.parametrize("language", Language)
def test_every_translation_holds_the_placeholders_of_its_line(texts: Texts, language: Language) -> None:
    for line in PROGRAM.lines:
        translated = texts.translation(line.key, line.english, language)
        if translated is not None:
            assert placeholders(translated) == placeholders(line.english), line.key


@pytest.mark.parametrize("language", Language)
def test_a_language_that_promises_a_moment_has_the_words_for_it(texts: Texts, language: Language) -> None:
    """Otherwise an English "by 2:00 PM today" stands in the middle of the family's sentence."""
    if any("{by}" in line.english for line in said_in(texts, language)):
        for key, english in PHRASES.items():
            assert texts.speaks(Line(key, english), language), key


def test_every_catalogue_is_read_whole() -> None:
    for language in Language:
        assert catalogue_path(ROOT / "locales", language).exists()
        assert review_state(ROOT / "locales", language) != "the header does not say"
