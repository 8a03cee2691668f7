"""A text in the family's language: rendered, counted in segments, extracted for translators."""

import itertools
import re
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import gsm0338  # noqa: F401 - registers the codec that knows the alphabet
from babel import Locale
from babel.dates import format_date, format_time, match_skeleton
from babel.lists import format_list
from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError, read_po, write_po

from bot.errors import PresenteError
from bot.language import Language

# Fragments that are put into {by}. They are catalogue lines of their own: word order differs.
PHRASES = {
    "when.today": "by {time} today",
    "when.tomorrow": "by {time} tomorrow",
    "when.day": "on {day} by {time}",
    "when.soon": "as soon as possible",
    # What a waiting family is told about people (courtesy.py).
    "desk.here": "{staff} from {school} is here now and reads what you wrote.",
    "desk.tomorrow": (
        "Nobody at {school} can answer any more today. A person will write here {by}. "
        "If anyone is in danger, call 911."
    ),
    # After a home visit (thanks.py); and what a staff member says to a machine that answers the telephone.
    "visit.thanks": "Thank you for your time with us. It helps us help {student}. You can write to us here. {staff}, {school}",
    "call.voicemail": "Hello, this is {staff} from {school}. Please call the school back when you can. Thank you.",
    # The letter of the ladder, line by line (ladder/letters.py).
    "email.subject": "A message from {school}",
    "email.missed": "{school}: today we missed {students} in class. Is everything OK?",
    "email.tell": "Please call the school, or answer our text, and tell us why. You are not in trouble; we want to help.",
    "email.not_read": "This message was sent by a program. Nobody reads answers to this e-mail.",
    # A newer file calls a student present whom the family was asked about (outreach/corrected.py).
    "absence.corrected": "Correction from {school}: at school today: {student}. We are sorry for our mistake.",
    # The chat page beside the texts: the line that leads to it, and the page's own words.
    "chat.link": "Or chat here: {link}",
    "chat.title": "Chat with {school}",
    "chat.choose": "Choose an answer, or write your own.",
    "chat.write": "Your answer",
    "chat.photo": "Add a photo, such as a note",
    "chat.photo_sent": "Photo sent",
    "chat.send": "Send",
    "chat.again": "Look for an answer",
    "chat.not_urgent": "If anyone is in danger, call 911.",
    "chat.empty": "Please write something, or add a photo.",
    "chat.too_many": "That was a lot at once. Please wait a few minutes, then write again.",
    "chat.too_large": "This photo is too big. Please send a smaller one, up to 5 MB.",
    "chat.not_a_photo": "We can not open this file. Please send a photo.",
    "chat.gone": "This link is no longer good. Just text us.",
    "chat.trouble": "Something went wrong here. Please try again, or just text us.",
}


class CatalogueError(PresenteError):
    """A catalogue cannot be used: file, line's key, what is wrong, the mend."""


@dataclass(frozen=True)
class Line:
    """One thing the program says: `key` is flow.node, `english` the source sentence, `comment` for translators."""

    key: str
    english: str
    comment: str = ""


@dataclass(frozen=True)
class Values:
    """What a line may be filled with (promise 9): first names, school names, a moment, who we are."""

    students: Sequence[str] = ()
    schools: Sequence[str] = ()
    by: datetime | None = None
    now: datetime | None = None
    zone: ZoneInfo | None = None
    district: str = ""
    office_phone: str = ""
    day: date | None = None
    link: str = ""
    staff: str = ""
    at: time | None = None


@dataclass(frozen=True)
class Rendered:
    """A text ready to leave. `english` is the same text in English, for the desk."""

    body: str
    english: str
    language: Language
    segments: int


class Texts:
    """Every line in every language that has it. Read once; rendering touches no file."""

    def __init__(self, catalogues: Mapping[Language, Mapping[str, tuple[str, str]]]) -> None:
        # language -> key -> (the English it was made from, the translation)
        self._catalogues = catalogues

    @classmethod
    def load(cls, folder: Path) -> "Texts":
        """Read locales/<language>/LC_MESSAGES/conversation.po, directly: no built file can be stale.

        Raises CatalogueError for a line whose placeholders differ from the English ones.
        """
        catalogues = {}
        for language in Language:
            path = catalogue_path(folder, language)
            if path.exists():
                catalogues[language] = _lines_of(path)
        return cls(catalogues)

    def translation(self, key: str, english: str, language: Language) -> str | None:
        """The line in *language*; None when it is missing or was made from another English sentence."""
        if language is Language.ENGLISH:
            return english
        made_from, translated = self._catalogues.get(language, {}).get(key, ("", ""))
        return translated if translated and made_from == english else None

    def speaks(self, line: Line, language: Language) -> bool:
        return self.translation(line.key, line.english, language) is not None

    def render(self, key: str, english: str, values: Values, language: Language) -> Rendered:
        """Fill a line in the family's language.

        A line that the language lacks is said in English and Spanish, the stated policy for a
        missing line; `Rendered.language` is then English, which is what the family got first.
        """
        in_english = self._fill(english, values, Language.ENGLISH)
        line = self.translation(key, english, language)
        if line is not None:
            body = in_english if language is Language.ENGLISH else self._fill(line, values, language)
            return Rendered(body, in_english, language, segments(body))
        body = in_english
        spanish = self.translation(key, english, Language.SPANISH)
        if spanish is not None:
            body = f"{in_english}\n{self._fill(spanish, values, Language.SPANISH)}"
        return Rendered(body, in_english, Language.ENGLISH, segments(body))

    def phrase(self, key: str, language: Language, values: Values = Values()) -> str:
        """One of our own phrases, in the family's language or else in English."""
        line = self.translation(key, PHRASES[key], language)
        return self._fill(line or PHRASES[key], values, language if line else Language.ENGLISH)

    def with_more(self, said: Rendered, key: str, values: Values) -> Rendered:
        """*said* with one of our phrases on a line below it, counted anew."""
        body = f"{said.body}\n{self.phrase(key, said.language, values)}"
        english = f"{said.english}\n{self.phrase(key, Language.ENGLISH, values)}"
        return Rendered(body, english, said.language, segments(body))

    def _fill(self, line: str, values: Values, language: Language) -> str:
        students = joined(values.students, language)
        filled = line.format_map(
            {
                "students": students,
                "student": students,
                "school": joined(values.schools, language),
                "by": self._by(values, language),
                "district": _apart(values.district, language),
                "office_phone": _apart(values.office_phone, language),
                "day": day_name(values.day, language) if values.day else "",
                "link": values.link,
                "staff": _apart(values.staff, language),
                "phone": _apart(values.office_phone, language),
                "time": clock_time(values.at, language) if values.at else "",
            }
        )
        filled = " ".join(filled.split())
        if ".." in filled:
            # "by 2:00 p.m." at the end of a sentence brings its own full stop; an ellipsis is left alone.
            filled = re.sub(r"(?<!\.)\.\.(?!\.)", ".", filled)
        return sendable(filled)

    def _by(self, values: Values, language: Language) -> str:
        """ "by 2:00 PM today": a promise a family can hold us to, in its own words."""
        if values.by is None or values.now is None or values.zone is None:
            return self._phrase("when.soon", language)
        local = values.by.astimezone(values.zone)
        days = (local.date() - values.now.astimezone(values.zone).date()).days
        key = {0: "when.today", 1: "when.tomorrow"}.get(days, "when.day")
        return self._phrase(key, language).format(
            time=clock_time(local.time(), language), day=day_name(local.date(), language)
        )

    def _phrase(self, key: str, language: Language) -> str:
        return self.translation(key, PHRASES[key], language) or PHRASES[key]


# --- names, days and times as people say them -----------------------------------------------------

# Babel's Haitian Creole is French ("mardi", "et"), which families there do not write.
_HAITIAN_DAYS = ("lendi", "madi", "mèkredi", "jedi", "vandredi", "samdi", "dimanch")
_HAITIAN_MONTHS = (
    "janvye", "fevriye", "mas", "avril", "me", "jen", "jiyè", "out", "septanm", "oktòb", "novanm", "desanm",
)  # fmt: skip


def joined(names: Sequence[str], language: Language) -> str:
    """ "Ana, Luis and Maya" in the family's language; each name isolated where the script runs right to left."""
    names = [_apart(name, language) for name in names]
    if len(names) < 2:
        return "".join(names)
    if language is Language.HAITIAN_CREOLE:
        return f"{', '.join(names[:-1])} ak {names[-1]}"
    if language is Language.SPANISH:
        # "y" turns into "e" before the sound of i: "Ana e Irene", but "Ana y Hielo" (hie-).
        last = unicodedata.normalize("NFD", names[-1].casefold())
        sounds_like_i = last.startswith(("i", "hi")) and not last.startswith(
            ("ia", "ie", "io", "hia", "hie", "hio")
        )
        return f"{', '.join(names[:-1])} {'e' if sounds_like_i else 'y'} {names[-1]}"
    return str(format_list(list(names), locale=_LOCALES[language]))


def _apart(words: str, language: Language) -> str:
    """Latin words and telephone numbers keep their own direction inside a right-to-left sentence (TX-9)."""
    if not language.right_to_left:
        return words
    foreign = any(unicodedata.bidirectional(character) in ("L", "EN") for character in words)
    return f"\u2068{words}\u2069" if foreign else words


@lru_cache(1024)  # a morning says the same few days to everybody, and Babel looks each up anew
def day_name(day: date, language: Language) -> str:
    """ "Thursday, November 26": never 11/26, which is another day to half of the world (CT-11)."""
    if language is Language.HAITIAN_CREOLE:
        return f"{_HAITIAN_DAYS[day.weekday()]} {day.day} {_HAITIAN_MONTHS[day.month - 1]}"
    locale = _LOCALES[language]
    pattern = locale.datetime_skeletons[
        match_skeleton("MMMMEEEEd", locale.datetime_skeletons) or "MMMEd"
    ].pattern
    # Babel's nearest pattern abbreviates ("Wed, Nov 24", "qua., 24 de novembro"); ours writes them out.
    return str(format_date(day, re.sub("M{3,}", "MMMM", re.sub("E+", "EEEE", pattern)), locale=locale))


@lru_cache(1024)
def clock_time(wall: time, language: Language) -> str:
    """ "2:00 PM", with plain spaces: a narrow one would halve the room in the text."""
    if language is Language.HAITIAN_CREOLE:
        return str(format_time(wall, "h:mm a", locale=_LOCALES[Language.ENGLISH]))
    return sendable(str(format_time(wall, format="short", locale=_LOCALES[language])))


_LOCALES = {
    language: Locale.parse(
        {Language.ENGLISH: "en_US", Language.SPANISH: "es_US", Language.CHINESE: "zh_Hans"}.get(
            language, language.value
        )
    )
    for language in Language
}


# --- what a text costs -------------------------------------------------------------------------------

# What phones and word processors put in by themselves; each would turn a whole text into UCS-2 (TX-6).
_PLAIN = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "…": "...",
        "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2007": " ", "\t": " ", "\u200b": None, "\ufeff": None,
        "\u00ad": None, "\u2028": " ", "\u2029": " ", "`": "'",
        **dict.fromkeys("\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u200a\u205f\u3000", " "),
    }
)  # fmt: skip

_EXTENSION = frozenset("\f^{}\\[]~|€")


def sendable(text: str) -> str:
    """The text as it will leave and as it is counted: composed (TX-7), without look-alike punctuation (TX-6)."""
    plain = text.translate(_PLAIN)
    if not plain.isprintable():
        plain = "".join(c for c in plain if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs"))
    composed = unicodedata.normalize("NFC", plain)
    # Once more after composing: U+1FEF becomes a backtick only then.
    return plain if composed == plain else composed.translate(_PLAIN)


def segments(text: str) -> int:
    r"""Count the billed parts of *text*.

    GSM-7: 160 characters alone, 153 in each of several; ^ { } [ ] ~ | \ € count twice and are never
    split. One character outside GSM-7 makes the whole text UCS-2: 70, or 67, in UTF-16 units, a
    surrogate pair never split. Source: 3GPP TS 23.038 and 23.040; TX-3, TX-4.
    """
    characters = set(text)
    if all(map(_in_gsm7, characters)):
        alone, each, twice = 160, 153, characters & _EXTENSION
    else:
        alone, each, twice = 70, 67, {character for character in characters if ord(character) > 0xFFFF}
    if not twice:
        return 1 if len(text) <= alone else -(-len(text) // each)
    return _parts([2 if character in twice else 1 for character in text], alone, each)


def is_gsm7(text: str) -> bool:
    return all(map(_in_gsm7, set(text)))


@lru_cache(4096)
def _in_gsm7(character: str) -> bool:
    """Each character stands for itself in GSM-7, so that a text's few different ones decide."""
    try:
        character.encode("gsm03.38")
    except UnicodeEncodeError:
        return False
    return True


def _parts(units: list[int], alone: int, each: int) -> int:
    if sum(units) <= alone:
        return 1
    parts, room = 1, each
    for unit in units:
        if unit > room:
            parts, room = parts + 1, each
        room -= unit
    return parts


# --- catalogues ------------------------------------------------------------------------------------------


def catalogue_path(folder: Path, language: Language) -> Path:
    return folder / language.value / "LC_MESSAGES" / "conversation.po"


def _read(path: Path) -> Catalog:
    """Read a whole catalogue, or raise CatalogueError: what is skipped here would be lost at the next update."""
    try:
        with path.open("rb") as file:
            return read_po(file, abort_invalid=True)
    except (PoFileError, UnicodeDecodeError, LookupError) as wrong:
        raise CatalogueError(f"{path}: this is not a catalogue that can be read ({wrong}); mend it") from None


def _lines_of(path: Path) -> dict[str, tuple[str, str]]:
    lines = {}
    for message in _read(path):
        if not message.id or message.fuzzy or not message.string:
            continue
        english, translated = str(message.id), str(message.string)
        key = str(message.context)
        if placeholders(translated) != placeholders(english):
            raise CatalogueError(
                f"{path}: {key}: the translation holds {sorted(placeholders(translated))}, "
                f"the English {sorted(placeholders(english))}; use exactly the same"
            )
        lines[key] = (english, translated)
    return lines


def placeholders(line: str) -> frozenset[str]:
    """The {names} of a line, with any {name:shape} or {name!conversion}, which no English line has.

    A broken brace counts as a name of its own.
    """
    try:
        return frozenset(
            name + (f"!{conversion}" if conversion else "") + (f":{shape}" if shape else "")
            for _, name, shape, conversion in string.Formatter().parse(line)
            if name is not None
        )
    except ValueError:
        return frozenset({"{"})


def update(folder: Path, lines: Iterable[Line], language: Language) -> Path:
    """Write the catalogue of *language* anew from the lines the program says; translations and remarks are kept.

    A line whose English has changed keeps its old translation as fuzzy, which is not used until a
    person has looked at it. English is its own translation. Two runs write the same file.
    """
    path = catalogue_path(folder, language)
    kept: dict[str, tuple[str, str, bool, list[str]]] = {}
    header = _header(language)
    if path.exists():
        kept = {
            str(m.context): (str(m.id), str(m.string or ""), m.fuzzy, list(m.user_comments))
            for m in _read(path)
            if m.id
        }
        header = "\n".join(_comments_at_top(path))
    fresh = Catalog(locale=_po_locale(language), charset="utf-8")
    for line in lines:
        made_from, translated, fuzzy, remarks = kept.get(line.key, ("", "", False, []))
        if language is Language.ENGLISH:
            translated, made_from = line.english, line.english
        stale = translated and (fuzzy or made_from != line.english)
        fresh.add(
            line.english,
            translated,
            context=line.key,
            auto_comments=[line.comment] if line.comment else [],
            user_comments=remarks,
            flags={"fuzzy"} if stale else (),
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        # The tool's own header has today's date in it; the history knows better.
        out.write(f"{header}\n{_PO_HEADER.format(language=_po_locale(language))}\n".encode())
        write_po(out, fresh, width=0, omit_header=True)
    return path


_PO_HEADER = """msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"""


def _comments_at_top(path: Path) -> Iterable[str]:
    """The head of a catalogue, where its reviewer signs."""
    return itertools.takewhile(
        lambda line: line.startswith("# "), path.read_text(encoding="utf-8").splitlines()
    )


def _po_locale(language: Language) -> str:
    return {Language.CHINESE: "zh_Hans"}.get(language, language.value)


def _header(language: Language) -> str:
    return (
        f"# {language.english_name}: what families read.\n"
        "# Review: machine-drafted, awaiting review by a native speaker."
    )


@dataclass(frozen=True)
class Gap:
    """A line that a language does not say yet, and why: missing, or made from an older English line."""

    key: str
    why: str


def gaps(folder: Path, lines: Iterable[Line], language: Language) -> list[Gap]:
    """What a translator has left to do in *language*."""
    path = catalogue_path(folder, language)
    kept = {}
    if path.exists():
        kept = {str(m.context): m for m in _read(path) if m.id}
    found = []
    for line in lines:
        message = kept.get(line.key)
        if message is None or not message.string:
            found.append(Gap(line.key, "missing"))
        elif message.fuzzy or message.id != line.english:
            found.append(Gap(line.key, "stale"))
    return found


def review_state(folder: Path, language: Language) -> str:
    """Who has reviewed the catalogue, as its header says it."""
    path = catalogue_path(folder, language)
    if not path.exists():
        return "no catalogue"
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# Review:"):
            return line.removeprefix("# Review:").strip()
    return "the header does not say"
