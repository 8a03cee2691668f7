"""What is heard in a family's text: every promise of bot.understanding, and its floors on texts it has never seen."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.language import Language
from bot.understanding import Found, Reading, Understanding
from bot.understanding.keywords import Keywords
from bot.understanding.lexicon import Lexicon, LexiconError
from bot.understanding.phrases import PhraseError, read_phrases, variants
from bot.understanding.reader import DATA, all_phrases
from bot.understanding.score import f1, read_rows, score, write_predictions
from bot.understanding.train import fingerprint, language_model
from bot.vocabulary import Barrier, Intent, Keyword

HELD_OUT = Path(__file__).parent / "data" / "family_replies_heldout.csv"
TUESDAY = date(2026, 11, 17)

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def understanding() -> Understanding:
    return Understanding.load()


def barriers(reading: Reading) -> set[str]:
    return {found.barrier.value for found in reading.barriers}


# Keywords: the whole text, never a prefix (LAW-12, TW-90, TW-91)


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "stop.",
        " Stop!! ",
        "ＳＴＯＰ",
        "s\u200btop",
        "🛑 stop",
        "opt-out",
        "Opt Out",
        "QUIT",
        "End",
        "unsubscribe",
        "ALTO",
        "Baja",
        "SAIR",
        "sispann",
        "kanpe",
        "توقف",
        "إلغاء",
        "退订",
        "Dừng",
        "DUNG",
        "стоп",
        "Koniec",
        "NDALO",
    ],
)
def test_a_stop_word_in_any_of_the_ten_languages_is_heard(understanding: Understanding, text: str) -> None:
    """LAW-12: exact word after folding case and removing punctuation, emoji and invisible characters."""
    reading = understanding.read(text)

    assert reading.keyword is Keyword.STOP
    assert reading.intent is Intent.OPT_OUT


@pytest.mark.parametrize(
    "text", ["stop please", "please cancel", "stop texting", "baja por favor", "help me"]
)
def test_a_keyword_with_another_word_is_not_a_keyword(understanding: Understanding, text: str) -> None:
    """TW-91: only a message that is exactly one such word; the rest is read as what it says."""
    assert understanding.read(text).keyword is None


def test_start_and_help_are_keywords_and_yes_is_an_answer(understanding: Understanding) -> None:
    """TW-92: a guardian who answers yes to our question says yes."""
    assert understanding.read("START").keyword is Keyword.START
    assert understanding.read("ayuda").keyword is Keyword.HELP
    assert understanding.read("èd").intent is Intent.HELP_KEYWORD
    assert understanding.read("yes").keyword is None
    assert understanding.read("yes").intent is Intent.AFFIRM


@MANY
@given(st.text(max_size=40))
def test_a_keyword_is_only_ever_the_whole_text(understanding: Understanding, text: str) -> None:
    """TW-91, whatever stands beside it."""
    assert understanding.read(f"stop the {text} school").keyword is None


# Menu answers


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("1", "1"),
        ("1.", "1"),
        ("#2", "2"),
        ("2️⃣", "2"),
        ("３", "3"),
        ("٣", "3"),
        ("option 2", "2"),
        ("opción 4", "4"),
        ("uno", "1"),
        ("one", "1"),
        ("dos", "2"),
        ("dois", "2"),
        ("twa", "3"),
        ("dwa", "2"),
        ("三", "3"),
        ("два", "2"),
    ],
)
def test_a_menu_answer_is_heard_however_it_is_typed(
    understanding: Understanding, text: str, choice: str
) -> None:
    reading = understanding.read(text)

    assert reading.choice == choice
    assert reading.barriers == ()


@pytest.mark.parametrize("text", ["10", "0", "2 kids sick", "one of them is sick", "1 2", "8:05"])
def test_a_number_inside_a_text_is_not_a_menu_answer(understanding: Understanding, text: str) -> None:
    assert understanding.read(text).choice is None


def test_a_number_word_counts_in_the_expected_language_only(understanding: Understanding) -> None:
    assert understanding.read("um", expected=Language.PORTUGUESE).choice == "1"
    assert understanding.read("um", expected=Language.ENGLISH).choice is None


# Consent (LAW-10, LAW-12)


@pytest.mark.parametrize(
    "text",
    [
        "please stop texting me",
        "take me off this list",
        "stopp",
        "no me escriban más",
        "me tira dessa lista",
        "pa voye mesaj ban m ankò",
        "لا ترسلوا لي رسائل",
        "proszę nie pisać więcej",
        "mos më dërgoni mesazhe",
        "đừng nhắn tin nữa",
        "не пишіть мені більше",
        "别再给我发短信了",
        "wrong number, stop texting me",
    ],
)
def test_a_removal_request_in_own_words_is_an_opt_out(understanding: Understanding, text: str) -> None:
    """LAW-10: any reasonable means."""
    assert understanding.read(text).intent is Intent.OPT_OUT


@pytest.mark.parametrize(
    "text",
    [
        "the bus stop was closed",
        "the bus didn't stop for him",
        "she cant stop coughing",
        "he will be there at the end of the day",
        "tell those boys to stop bothering my son",
        "they cancelled his appointment",
        "no para de vomitar",
        "cancelaron el programa de la tarde?",
        "quitaron la parada de la esquina",
        "ele não para de tossir",
        "li pa sispann touse",
        "autobus się nie zatrzymał",
        "my babysitter quit so he's home with his brother",
    ],
)
def test_stop_inside_an_ordinary_sentence_is_not_an_opt_out(understanding: Understanding, text: str) -> None:
    """LAW-12: "the bus stop was closed" is transportation."""
    assert understanding.read(text).intent is not Intent.OPT_OUT


def test_doubt_about_consent_is_marked(understanding: Understanding) -> None:
    """LAW-12: in doubt automatic texts are held and a person is asked the same day."""
    assert understanding.read("why are you always texting me every single day").may_mean_stop or (
        understanding.read("why are you always texting me every single day").intent is Intent.OPT_OUT
    )
    assert not understanding.read("she has a fever").may_mean_stop
    assert not understanding.read("STOP").may_mean_stop


def test_a_removal_request_can_also_ask_for_a_person(understanding: Understanding) -> None:
    reading = understanding.read("stop these robot texts and have a person call me")

    assert reading.intent is Intent.OPT_OUT
    assert reading.wants_person


# Danger


@pytest.mark.parametrize(
    "text",
    [
        "he said he wants to kill himself",
        "her dad broke the door and hes screaming we are hiding",
        "my husband choked me",
        "se quiere matar",
        "mi esposo nos pegó, estoy escondida",
        "meu filho sumiu desde ontem",
        "li vle mouri",
        "mari m bat mwen",
        "ابني قال بدو يقتل حاله",
        "زوجي معه سكين",
        "mąż mnie pobił",
        "vajza do te vrase veten",
        "con tôi muốn tự tử",
        "чоловік б'є мене",
        "孩子说不想活了",
        "we have no food at all, the kids havent eaten",
        "no tenemos donde dormir esta noche",
    ],
)
def test_danger_is_heard_with_the_words_that_show_it(understanding: Understanding, text: str) -> None:
    reading = understanding.read(text)

    assert reading.danger
    assert reading.danger in text
    assert reading.intent is Intent.CRISIS


@pytest.mark.parametrize(
    "text",
    [
        "this traffic is killing me",
        "me muero de sueño",
        "I'm dead 😂 yes he overslept",
        "tô morrendo de vergonha, acordamos agora",
        "累死了 起晚了",
        "is there a lockdown drill today",
        "suspended for a water gun",
        "lo mandaron a casa por una pistola de agua",
        "my car died on 84",
        "food poisoning from that buffet",
        "mi abuela murió en México la semana pasada",
        "coach had them run suicides yesterday",
        "got evicted friday, staying with my sister",
        "she cut her finger and got stitches",
    ],
)
def test_a_figure_of_speech_a_drill_or_a_death_far_away_is_no_danger(
    understanding: Understanding, text: str
) -> None:
    assert understanding.read(text).danger is None


@pytest.mark.parametrize(
    "text",
    [
        "I thought she was at school",
        "i thought he was in class, he left at 7",
        "pensé que estaba en la escuela",
        "achei que ele tava na escola",
        "m te panse li te lekòl",
        "كنت مفكرة انه بالمدرسة",
        "myślałam że jest w szkole",
        "mendova se ishte ne shkolle",
        "tôi tưởng cháu ở trường",
        "я думала він у школі",
        "我以为她在学校",
    ],
)
def test_a_guardian_who_believed_the_child_at_school_is_heard_in_every_language(
    understanding: Understanding, text: str
) -> None:
    """The most valuable text the program will ever hear (design/conversation.md): a person is paged."""
    reading = understanding.read(text)

    assert reading.whereabouts
    assert reading.danger


def test_the_child_is_there_is_a_correction_and_not_a_worry(understanding: Understanding) -> None:
    reading = understanding.read("She IS at school. I dropped her off myself at 8:05")

    assert reading.intent is Intent.CHILD_IS_AT_SCHOOL
    assert reading.danger is None
    assert "attendance_error" in barriers(reading)


def test_danger_stands_beside_a_removal_request(understanding: Understanding) -> None:
    """Danger beats consent, and neither is lost."""
    reading = understanding.read("stop texting this number, he reads my messages and he will hit me")

    assert reading.intent is Intent.OPT_OUT
    assert reading.danger


# Barriers


def test_several_barriers_are_each_shown_by_the_familys_own_words(understanding: Understanding) -> None:
    text = "We got evicted and the shelter has no bus to school"

    found = {one.barrier: one.words for one in understanding.read(text).barriers}

    assert {Barrier.HOUSING, Barrier.TRANSPORTATION} <= set(found)
    assert all(words in text for words in found.values())


@pytest.mark.parametrize(
    ("text", "barrier"),
    [
        ("no está enfermo", "illness"),
        ("not sick, just didnt wanna go", "illness"),
        ("my mom is sick so he stayed with her", "illness"),
        ("nie jest chory", "illness"),
        ("她没生病", "illness"),
    ],
)
def test_what_is_denied_or_anothers_is_not_the_students_illness(
    understanding: Understanding, text: str, barrier: str
) -> None:
    assert barrier not in barriers(understanding.read(text))


@pytest.mark.parametrize(
    ("text", "barrier"),
    [
        ("SHE HAS A FEVR", Barrier.ILLNESS),
        ("nop tngo gasolina, no ay quien la lleve", Barrier.TRANSPORTATION),
        ("hj ele ta cm febre", Barrier.ILLNESS),
        ("pitit mwen gen lafyev", Barrier.ILLNESS),
        ("ibni mareed 3ando 7arara", Barrier.ILLNESS),
        ("ma goraczke", Barrier.ILLNESS),
        ("xe bi hu ko ai cho", Barrier.TRANSPORTATION),
        ("ребенок заболел", Barrier.ILLNESS),
        ("sorry miss la nena has fever", Barrier.ILLNESS),
    ],
)
def test_typos_missing_accents_and_mixed_languages_are_understood(
    understanding: Understanding, text: str, barrier: Barrier
) -> None:
    assert barrier.value in barriers(understanding.read(text))


# Who, which child, which language


@pytest.mark.parametrize(
    ("text", "names", "named"),
    [
        ("MAYA is sick", ("Maya", "Leo"), ("Maya",)),
        ("jose y ana estan enfermos", ("José", "Ana"), ("José", "Ana")),
        ("Kevn has a fever", ("Kevin", "Dayana"), ("Kevin",)),
        ("mario is sick", ("Maria", "Mario"), ("Mario",)),
        ("maya's home with me", ("Maya",), ("Maya",)),
        ("she is sick", ("Maya", "Leo"), ()),
        ("may be late", ("Maya",), ()),
    ],
)
def test_the_children_a_text_speaks_of_are_named(
    understanding: Understanding, text: str, names: tuple[str, ...], named: tuple[str, ...]
) -> None:
    assert understanding.read(text, names=names).named == named


@pytest.mark.parametrize(
    "text",
    [
        "both are sick",
        "los dos están enfermos",
        "os dois com febre",
        "tou de malad",
        "oboje chorzy",
        "cả hai đứa bị sốt",
        "te dy jane semure",
        "обоє хворі",
        "两个孩子都发烧",
        "الاولاد مرضى",
    ],
)
def test_speaking_of_all_the_children_is_heard(understanding: Understanding, text: str) -> None:
    assert understanding.read(text).everyone


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Can u send these in Portuguese", Language.PORTUGUESE),
        ("Switch to English, I don't speak Spanish", Language.ENGLISH),
        ("no entiendo ingles me lo puede mandar en español", Language.SPANISH),
        ("kreyòl tanpri", Language.HAITIAN_CREOLE),
        ("看不懂英文 能换中文吗", Language.CHINESE),
        ("nie znam angielskiego, proszę pisać po polsku", Language.POLISH),
    ],
)
def test_a_wish_for_another_language_names_it(
    understanding: Understanding, text: str, wanted: Language
) -> None:
    reading = understanding.read(text, expected=Language.ENGLISH)

    assert reading.intent is Intent.CHANGE_LANGUAGE
    assert reading.wants_language is wanted


@pytest.mark.parametrize("text", ["ok", "1", "👍", "?", "", "OK 👍", "wifi"])
def test_a_text_without_evidence_has_no_language(understanding: Understanding, text: str) -> None:
    """ "ok" changes nothing: the language belongs to the guardian (design/conversation.md)."""
    assert understanding.read(text).language is None


def test_an_expected_language_decides_only_what_the_text_leaves_open(understanding: Understanding) -> None:
    text = "mi hija amaneció con fiebre y no va a ir"

    assert understanding.read(text, expected=Language.POLISH).language is Language.SPANISH


# Return dates


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("he has the flu, back thurs", date(2026, 11, 19)),
        ("flight got cancelled, back tomorrow nite", date(2026, 11, 18)),
        ("returning dec 3", date(2026, 12, 3)),
        ("vuelve el lunes", date(2026, 11, 23)),
        ("regresamos el 8 de enero", date(2027, 1, 8)),
        ("amanhã ele volta", date(2026, 11, 18)),
        ("n ap tounen lendi", date(2026, 11, 23)),
        ("l ap vini dèmen", date(2026, 11, 18)),
        ("بيرجع بكرة", date(2026, 11, 18)),
        ("نرجع الأحد", date(2026, 11, 22)),
        ("wracamy 18go", date(2026, 11, 18)),
        ("kthehemi te henen", date(2026, 11, 23)),
        ("thứ hai về", date(2026, 11, 23)),
        ("ngày mai đi học lại", date(2026, 11, 18)),
        ("повернемось в понеділок", date(2026, 11, 23)),
        ("下周一回来", date(2026, 11, 23)),
        ("周四回学校", date(2026, 11, 19)),
    ],
)
def test_a_return_date_is_resolved_from_today(understanding: Understanding, text: str, day: date) -> None:
    assert understanding.read(text, today=TUESDAY).returns_on == day


@pytest.mark.parametrize(
    "text",
    ["he was sick monday", "dentist tomorrow at 9", "tengo cita el lunes", "back at 10", "she is sick"],
)
def test_a_day_that_is_not_about_returning_is_no_return_date(understanding: Understanding, text: str) -> None:
    assert understanding.read(text, today=TUESDAY).returns_on is None


def test_without_today_no_date_is_resolved(understanding: Understanding) -> None:
    assert understanding.read("back thursday").returns_on is None


# Total, and pure


@MANY
@given(st.text(max_size=300))
def test_any_text_gives_a_reading(understanding: Understanding, text: str) -> None:
    reading = understanding.read(text, names=("Maya", "أحمد", ""), today=TUESDAY)

    assert isinstance(reading, Reading)
    assert reading.danger is None or reading.danger in text
    assert all(isinstance(found, Found) and found.words in text for found in reading.barriers)
    assert len(barriers(reading)) == len(reading.barriers)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00\x07\x1b",
        "\ud800",
        "a" * 1_600,
        "🙃" * 800,
        "\u202eشكرا\u202c",
        "́́́",
        "??!!",
        "stop " * 400,
        "((((",
        "' '",
    ],
)
def test_bad_input_gives_a_reading(understanding: Understanding, text: str) -> None:
    assert isinstance(understanding.read(text).intent, Intent)
    assert understanding.explain(text)


def test_reading_twice_gives_the_same(understanding: Understanding) -> None:
    text = "no car today and she has a fever, back monday"

    assert understanding.read(text, today=TUESDAY) == understanding.read(text, today=TUESDAY)


def test_an_explanation_names_the_lines_that_fired(understanding: Understanding) -> None:
    told = understanding.explain("the bus never came")

    assert "transportation" in told
    assert "by the line" in told


# The files that staff may mend


def _lexicon(source: str) -> Lexicon:
    return Lexicon(Language.ENGLISH, source, "en.txt")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("fever", "en.txt line 1: a section in square brackets must come first"),
        ("[illness]\nfever\n(flu", "en.txt line 3"),
        ("[illness]\n@kid sick", "there is no class 'kid'"),
        ("[illness]\nfever||flu", "needs words before and after"),
        ("[illness]\n[may] .. $", "names no word that must occur"),
        ("[respell]\nu", "should read 'as written = as meant'"),
    ],
)
def test_a_mistake_in_a_lexicon_is_refused_with_its_line(source: str, complaint: str) -> None:
    with pytest.raises(LexiconError, match=complaint.replace("(", r"\(").replace("[", r"\[")):
        _lexicon(source)


def test_a_lexicon_line_reads_as_its_manual_says() -> None:
    """The examples of bot/understanding/patterns.py."""
    lexicon = _lexicon(
        "[class kin]\nhusband\nstep dad\n\n[danger]\nmy @kin hit|hits me\n(did not|never) come home\n"
        "my husband .. belt\nnot: hit me up\n\n[illness]\nvomit*\nno heat|power is off"
    )

    def sections(text: str) -> set[str]:
        from bot.understanding.text import words_of

        return {hit.section for hit in lexicon.hits(lexicon.spell(words_of(text)))}

    assert sections("My HUSBAND hit us") == {"danger"}
    assert sections("he never come home") == {"danger"}
    assert sections("my husband used his old leather belt") == {"danger"}
    assert sections("she is vomiting") == {"illness"}
    assert sections("the power is off") == {"illness"}
    assert sections("all is well") == set()


def test_a_mistake_in_a_phrase_file_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "en.txt"
    path.write_text("[give_reason ilness]\nfever\n", encoding="utf-8")

    with pytest.raises(PhraseError, match="line 1"):
        read_phrases(path, Language.ENGLISH)


def test_every_alternative_of_a_phrase_is_heard() -> None:
    texts = " ".join(variants("{he|she|tyler} has a {fever|cold}"))

    assert all(word in texts for word in ("he", "she", "tyler", "fever", "cold"))


def _data_files() -> Iterator[Path]:
    yield from sorted(DATA.glob("lexicon/*.txt"))
    yield from sorted(DATA.glob("phrases/*.txt"))
    yield DATA / "keywords.txt"


@pytest.mark.parametrize("path", list(_data_files()), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_data_file_says_that_it_awaits_review(path: Path) -> None:
    head = "".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:4])

    assert "achine-drafted" in head
    assert "await" in head


def test_every_language_has_keywords_of_each_kind() -> None:
    keywords = Keywords.from_file(DATA / "keywords.txt")

    assert set(keywords.keywords.values()) == set(Keyword)
    assert all(len(numbers) >= 9 for numbers in keywords.numbers.values())
    assert set(keywords.numbers) == set(Language)


# Training


def test_the_models_are_made_from_the_files_as_they_are() -> None:
    """After a change to a lexicon or a phrase list: python -m bot.understanding.train."""
    for name in ("language", "meaning"):
        head = (DATA / "model" / f"{name}.json").read_text(encoding="utf-8")[:200]
        assert fingerprint() in head, "run python -m bot.understanding.train"


def test_training_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    some = all_phrases()[::25]
    first, second = tmp_path / "first.json", tmp_path / "second.json"

    language_model(some).save(first)
    language_model(some).save(second)

    assert first.read_bytes() == second.read_bytes()


# Honest figures on texts that were never trained on

# Measured, less a margin of about one text in twenty; see the targets of the issue.
_INTENT_FLOOR = {
    "en": 0.93,
    "es": 0.92,
    "pt": 0.92,
    "ht": 0.88,
    "ar": 0.90,
    "pl": 0.90,
    "sq": 0.90,
    "vi": 0.93,
    "uk": 0.90,
    "zh": 0.93,
}


def test_no_held_out_text_was_trained_on() -> None:
    trained = {phrase.text for phrase in all_phrases()}

    assert not [row.text for row in read_rows(HELD_OUT) if row.text in trained and len(row.text.split()) > 3]


def test_the_held_out_texts_are_understood_in_every_language(understanding: Understanding) -> None:
    report = score(read_rows(HELD_OUT), understanding)

    for language, tally in report.languages.items():
        assert tally.intent / tally.rows >= _INTENT_FLOOR[language.value], language
        assert tally.language / tally.rows >= 0.93, language
        assert f1(tally.barriers) >= 0.78, language
        assert tally.danger[1] == 0, language  # no danger missed
        assert tally.opt_out[1] == 0, language  # no removal request missed
    whole = report.whole
    assert whole.danger[2] <= 0.04 * whole.danger[3]
    assert whole.opt_out[2] <= 0.01 * whole.opt_out[3]
    assert f1(whole.barriers) >= 0.87
    assert whole.intent / whole.rows >= 0.95
    assert "all" in str(report)


def test_predictions_have_the_columns_of_the_file(understanding: Understanding, tmp_path: Path) -> None:
    rows = read_rows(HELD_OUT)[:20]
    write_predictions(rows, tmp_path / "out.csv", understanding)

    again = read_rows(tmp_path / "out.csv")

    assert [row.id for row in again] == [row.id for row in rows]
    assert [row.text for row in again] == [row.text for row in rows]


def test_a_file_with_an_unknown_label_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,lang,text,intent,barriers,crisis\n1,en,hi,hello,,0\n", encoding="utf-8")

    with pytest.raises(ValueError, match=r"rows.csv line 2"):
        read_rows(path)
