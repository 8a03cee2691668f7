"""The table of the provider's error codes: every code we must know, each with the fate the rules ask for."""

import json
import tomllib
from collections.abc import Iterable

import pytest

from bot.provider import PhoneFate, SenderFate, TextFate, meaning
from tests.conftest import ROOT

TABLE = ROOT / "bot" / "provider" / "errors.toml"
DICTIONARY = json.loads((ROOT / "tests" / "data" / "twilio" / "error_codes.json").read_text(encoding="utf-8"))

# rules.md, 1.9: each code with the class it has there.
CLASSES: dict[str, Iterable[int]] = {
    # 21603 is called a bug there: no sender is set, which befalls every text alike.
    "config": [
        *(20003, 20404, 21408, 21603, 21606, 21608, 21703, 21704, 21712),
        *(30002, 30024, 30032, 30033, 30034, 30035, 63016),
    ],
    "not now": [429, 20429, 21611],
    "transient": [30001, 30003, 30008, 30017, 30022, 30450, 63018],
    "transient, day": [30023, 30027, 63038],
    "permanent": [21211, 21265, 30005],
    "permanent-ish": [21612, 30004],
    "landline": [21614, 21635, 30006],
    "opt-out": [21610, 63014],
    "bug, content or data": [21602, 21617, 14107, 30007, 30009, 30019, *range(35111, 35127), 63003, 63024],
}
# What each class does to text, phone and sender, where one of several is possible.
FATES = {
    "config": ({TextFate.WAITS}, {PhoneFate.UNTOUCHED}, {SenderFate.CLOSED}),
    "not now": ({TextFate.WAITS}, {PhoneFate.UNTOUCHED}, {SenderFate.SLOWER}),
    "transient": (
        {TextFate.AGAIN},
        {PhoneFate.UNTOUCHED, PhoneFate.OUT_OF_REACH},
        {SenderFate.WELL, SenderFate.SLOWER},
    ),
    "transient, day": ({TextFate.NEXT_DAY}, {PhoneFate.UNTOUCHED}, {SenderFate.WELL}),
    "permanent": ({TextFate.GONE}, {PhoneFate.DEAD}, {SenderFate.WELL}),
    "permanent-ish": ({TextFate.GONE}, {PhoneFate.OUT_OF_REACH}, {SenderFate.WELL}),
    "landline": ({TextFate.GONE}, {PhoneFate.LANDLINE}, {SenderFate.WELL}),
    "opt-out": ({TextFate.GONE}, {PhoneFate.OPTED_OUT}, {SenderFate.WELL}),
    "bug, content or data": ({TextFate.GONE}, {PhoneFate.UNTOUCHED}, {SenderFate.WELL}),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_code_of_the_rules_has_the_fate_of_its_class(kind: str) -> None:
    """rules.md, 1.9."""
    texts, phones, senders = FATES[kind]

    for code in map(str, CLASSES[kind]):
        line = meaning.listed()[code]
        assert line.text in texts, code
        assert line.phone in phones, code
        assert line.sender in senders, code


def test_no_code_is_invented() -> None:
    """A typing error would be a line nobody ever reads, and a code without its line."""
    known = {str(code) for code in DICTIONARY["codes"]}
    known |= {str(code) for codes in CLASSES.values() for code in codes}

    assert set(meaning.listed()) - known == set()


def test_what_is_ours_to_mend_marks_no_familys_number() -> None:
    """TW-71: hundreds of families would be unreachable for a fault of ours. Their texts wait."""
    for toll_free in (False, True):
        closed = [line for line in meaning.listed(toll_free).values() if line.sender is SenderFate.CLOSED]
        assert closed
        assert {line.phone for line in closed} == {PhoneFate.UNTOUCHED}
        assert {line.text for line in closed} == {TextFate.WAITS}


def test_only_what_waits_for_the_sender_has_a_sender_that_is_not_well() -> None:
    """A text that waits for a sender who is well would wait for ever."""
    waiting = [line for line in meaning.listed().values() if line.text is TextFate.WAITS]

    assert {line.sender for line in waiting} == {SenderFate.CLOSED, SenderFate.SLOWER}


def test_what_is_tried_again_today_does_not_give_the_number_up() -> None:
    """TW-70."""
    again = [line for line in meaning.listed().values() if line.text is TextFate.AGAIN]

    assert {line.phone for line in again} <= {PhoneFate.UNTOUCHED, PhoneFate.OUT_OF_REACH}


@pytest.mark.parametrize("code", ["", "0", "99999", "21610 ", "-1", "21,610"])
def test_a_code_nobody_has_listed_falls_into_the_safe_class(code: str) -> None:
    """TW-55: a person calls; no number and no sender is marked for what we do not understand."""
    for toll_free in (False, True):
        line = meaning.of(code, toll_free=toll_free)
        assert line.code == code
        assert (line.text, line.phone, line.sender) == (
            TextFate.GONE,
            PhoneFate.UNTOUCHED,
            SenderFate.WELL,
        )


def test_a_block_of_a_toll_free_number_is_an_opt_out() -> None:
    """TW-95: the network keeps STOP to itself, and 30004 is all that we hear of it."""
    assert meaning.of("30004").phone is PhoneFate.OUT_OF_REACH
    assert meaning.of("30004", toll_free=True).phone is PhoneFate.OPTED_OUT


def test_no_other_code_depends_on_the_kind_of_number() -> None:
    ordinary, toll_free = meaning.listed(), meaning.listed(toll_free=True)

    assert {code for code, line in ordinary.items() if toll_free[code] != line} == {"30004"}


@pytest.mark.parametrize("area", [800, 833, 844, 855, 866, 877, 888])
def test_toll_free_numbers_are_known_by_their_area(area: int) -> None:
    assert meaning.is_toll_free(f"+1{area}5550100")


@pytest.mark.parametrize(
    "sender", ["+18605550100", "+18015550100", "+18995550100", "8005550100", "80055", "MG" + "8" * 32, ""]
)
def test_other_senders_are_not_toll_free(sender: str) -> None:
    assert not meaning.is_toll_free(sender)


def test_the_file_is_sorted_and_each_code_stands_there_once() -> None:
    """Once is TOML's own rule; sorted is for whoever looks one up."""
    codes = [int(code) for code in tomllib.loads(TABLE.read_text(encoding="utf-8"))]

    assert codes == sorted(codes)


def test_each_sentence_fits_into_one_of_the_desks() -> None:
    """Staff read it behind a colon: one short sentence, in our words, without a number or a full stop."""
    for line in meaning.listed().values():
        assert line.means[0].islower(), line
        assert line.means[-1].isalpha(), line
        assert len(line.means) <= 90, line
        assert not any(character.isdigit() for character in line.means), line


def test_the_file_explains_every_word_it_uses() -> None:
    written = TABLE.read_text(encoding="utf-8")
    explained = "\n".join(line for line in written.splitlines() if line.startswith("#"))

    for word in [*TextFate, *PhoneFate, *SenderFate]:
        assert word.value in explained
