"""Flow files: every mistake is refused with its file, line, node and a mend; nothing else ever comes out."""

import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.conversation.flow import ALWAYS, EVERYWHERE, MORNING, OPENINGS, Flows
from bot.conversation.load import CARRIER_WORDS, FlowError, load
from bot.vocabulary import Barrier, Outcome, Queue, Urgency
from tests.conftest import ROOT

# A flow of one's own, as staff would write it beside ours. Each mistake below is one change to it.
VISIT = """\
# A visit at home is offered.
flow: visit
start: offer

nodes:
  offer:
    # Two segments at most.
    say: "May a person from {school} visit you? 1 yes please, 2 no."
    listen: choice
    wait: 90
    go: {"1": arrange, "2": leave, affirm: arrange, unclear: arrange, silence: leave}

  arrange:
    record: housing
    say: "Thank you. A person will write here {by}."
    hand_off: engagement
    urgency: P2
    why: asked_for_person

  leave:
    say: "Thank you."
    then: rest

  rest:
    outcome: explained
    close: kindly
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The repository's own flows, and one more."""
    shutil.copytree(ROOT / "flows", tmp_path / "flows")
    (tmp_path / "flows" / "visit.yaml").write_text(VISIT, encoding="utf-8")
    return tmp_path / "flows"


def refusal(folder: Path) -> FlowError:
    with pytest.raises(FlowError) as refused:
        load(folder)
    return refused.value


def change(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    written = path.read_text(encoding="utf-8")
    assert old in written
    path.write_text(written.replace(old, new, 1), encoding="utf-8")


def line_of(written: str, start: str) -> int:
    return next(n for n, line in enumerate(written.splitlines(), 1) if line.strip().startswith(start))


def test_the_flows_of_the_repository_load() -> None:
    flows = load(ROOT / "flows")

    assert set(flows.barriers) == set(Barrier)
    assert MORNING in flows.flows
    for flow in flows.flows.values():
        for node in flow.nodes.values():
            assert node.go is None or {"unclear", "silence"} <= set(node.go)


def test_a_flow_is_read_as_it_is_written(folder: Path) -> None:
    flows = load(folder)

    flow = flows.flows["visit"]
    assert flows.start_of("visit") == "visit.offer"
    offer, arrange, rest = flow.nodes["offer"], flow.nodes["arrange"], flow.nodes["rest"]
    assert offer.say == "May a person from {school} visit you? 1 yes please, 2 no."
    assert offer.comment == "Two segments at most."
    assert offer.wait == 90
    assert offer.go == {
        "1": "visit.arrange",
        "2": "visit.leave",
        "affirm": "visit.arrange",
        "unclear": "visit.arrange",
        "silence": "visit.leave",
    }
    assert (arrange.record, arrange.hand_off, arrange.urgency) == (
        Barrier.HOUSING,
        Queue.ENGAGEMENT,
        Urgency.P2,
    )
    assert (rest.outcome, rest.close, flow.nodes["leave"].then) == (Outcome.EXPLAINED, True, "visit.rest")


# name of the mistake: (what stands there, what is written instead, where the line that is named
# begins, the node that is named, words of the mend)
MISTAKES = {
    "an unknown target": ('"2": leave', '"2": leav', "offer:", "offer", "visit.leav"),
    "an unknown target in another flow": ("then: rest", "then: everywhere.rset", "leave:", "leave", "rset"),
    "an unknown barrier": ("record: housing", "record: hosing", "record:", "arrange", "housing"),
    "an unknown queue": ("hand_off: engagement", "hand_off: enagement", "hand_off:", "arrange", "engagement"),
    "an unknown urgency": ("urgency: P2", "urgency: soon", "urgency:", "arrange", "P0"),
    "an unknown outcome": ("outcome: explained", "outcome: fine", "outcome:", "rest", "explained"),
    "an unknown close": ("close: kindly", "close: rudely", "close:", "rest", "close: kindly"),
    "an unknown listen": ("listen: choice", "listen: well", "listen:", "offer", "listen: choice"),
    "an unknown entry": ("why: asked_for_person", "because: I", "because:", "arrange", "hand_off"),
    "an unknown answer": ('"2": leave', "maybe: leave", "go:", "offer", "1 to 9"),
    "a zero as an answer": ('"2": leave', '"0": leave', "go:", "offer", "1 to 9"),
    "two digits as an answer": ('"2": leave', '"12": leave', "go:", "offer", "1 to 9"),
    "a raised two as an answer": ('"2": leave', '"²": leave', "go:", "offer", "1 to 9"),
    "an arabic digit as an answer": ('"2": leave', '"٢": leave', "go:", "offer", "1 to 9"),
    "a node nothing reaches": ("then: rest", "close: kindly", "rest:", "rest", "lead to it"),
    "a question without unclear": ("unclear: arrange, ", "", "go:", "offer", "`unclear`"),
    "a question without silence": (", silence: leave", "", "go:", "offer", "`silence`"),
    "a question without a text": ('    say: "May a person from {school} visit you? 1 yes please, 2 no."\n', "",
        "offer:", "offer", "`say`"),
    "a question that does not listen": ("    listen: choice\n", "", "offer:", "offer", "`listen: choice`"),
    "a question without an end of waiting": ("    wait: 90\n", "", "offer:", "offer", "`wait`"),
    "a wait of no minutes": ("wait: 90", "wait: 0", "wait:", "offer", "1 to 1440"),
    "a wait of days": ("wait: 90", "wait: 1441", "wait:", "offer", "1 to 1440"),
    "a wait in words": ("wait: 90", "wait: an hour", "wait:", "offer", "minutes"),
    "a wait with a raised two": ("wait: 90", "wait: ²", "wait:", "offer", "minutes"),
    "a wait of five thousand digits": ("wait: 90", "wait: " + "9" * 5000, "wait:", "offer", "minutes"),
    "a listener that leads nowhere": ("    urgency: P2", "    listen: choice  # here", "listen: choice  # here", "arrange",
        "does nothing without `go`"),
    "a circle that never listens": ("close: kindly", "then: leave", "leave:", "leave", "question"),
    "a node that is its own circle": ("close: kindly", "then: rest", "rest:", "rest", "question"),
    "a repeated answer": ('"2": leave', '"1": leave', "go:", "offer", "keep one"),
    "a repeated entry": ("urgency: P2", "hand_off: safety", "hand_off: safety", "arrange", "keep one"),
    "a repeated node": ("  rest:", "  leave:  # again", "leave:  # again", "", "keep one"),
    "a repeated part of the file": ("start: offer", "flow: visit  # again", "flow: visit  # again", "", "keep one"),
    "two ways out": ("close: kindly", "close: kindly\n    then: arrange", "rest:", "rest", "exactly one"),
    "no way out": ("    close: kindly\n", "", "rest:", "rest", "exactly one"),
    "a flow of another name": ("flow: visit", "flow: visits", "flow:", "", "visit"),
    "an unknown start": ("start: offer", "start: ofer", "start:", "", "one of its nodes"),
    "an unknown part of the file": ("start: offer", "begin: offer", "begin:", "", "flow, start and nodes"),
    "a placeholder that is not allowed": ("{by}", "{last_name}", 'say: "Thank you. A', "arrange", "{students}"),
    "a placeholder without a name": ("{by}", "{}", 'say: "Thank you. A', "arrange", "{students}"),
    "a placeholder that looks inside": ("{by}", "{by.hour}", 'say: "Thank you. A', "arrange", "{students}"),
    "a placeholder with a shape": ("{by}", "{by:d}", 'say: "Thank you. A', "arrange", "nothing else"),
    "a placeholder with a conversion": ("{by}", "{by!r}", 'say: "Thank you. A', "arrange", "nothing else"),
    "a doubled brace": ("{by}", "{{by}}", 'say: "Thank you. A', "arrange", "nothing else"),
    "a brace that is not closed": ("{by}", "{by", 'say: "Thank you. A', "arrange", "not closed"),
    "a text that is a list": ('say: "Thank you."', "say: [Thank, you]", "say: [", "leave", "one line of text"),
    "a node that is a text": ("  rest:\n    outcome: explained\n    close: kindly", "  rest: kindly", "rest:", "rest",
        "name: value"),
    "a tab for indenting": ("    close: kindly", "\tclose: kindly", "close", "", "not YAML"),
    "a bracket that is not closed": ('go: {"1"', 'go: {["1"', "go:", "", "not YAML"),
    "a character no text may hold": ('Thank you."', 'Thank\x07 you."', 'say: "Thank\x07', "", "no text may hold"),
    "a YAML of the future": ("# A visit", "%YAML 9.9\n# A visit", "%YAML", "", "not YAML"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_refused_with_file_line_node_and_mend(folder: Path, mistake: str) -> None:
    """style.md, 2.1."""
    old, new, begins, node, mend = MISTAKES[mistake]
    change(folder, "visit.yaml", old, new)
    line = line_of((folder / "visit.yaml").read_text(encoding="utf-8"), begins)

    refused = refusal(folder)

    assert refused.file == "visit.yaml"
    assert refused.node == node
    assert mend in str(refused)
    assert str(refused).startswith(f"visit.yaml:{refused.line}: {node + ': ' if node else ''}")
    assert refused.line == line


@pytest.mark.parametrize("word", sorted(CARRIER_WORDS))
def test_a_word_of_the_carriers_is_no_choice(folder: Path, word: str) -> None:
    """TW-92: whoever answers YES gives a new consent, whoever answers CANCEL is unsubscribed."""
    change(folder, "visit.yaml", '"2": leave', f"{word.capitalize()}: leave")

    refused = refusal(folder)

    assert (refused.node, refused.line) == ("offer", line_of(VISIT, "go:"))
    assert "TW-92" in str(refused)
    assert "digit" in str(refused)


def test_yes_no_and_times_stay_the_text_that_was_written(folder: Path) -> None:
    """Plain YAML would make True, False and 1230 of them."""
    change(folder, "visit.yaml", 'say: "Thank you."', "say: no")
    change(folder, "visit.yaml", "why: asked_for_person", "why: 20:30")

    nodes = load(folder).flows["visit"].nodes

    assert nodes["leave"].say == "no"
    assert nodes["arrange"].why == "20:30"


def test_a_text_over_several_lines_is_one_line(folder: Path) -> None:
    change(folder, "visit.yaml", 'say: "Thank you."', "say: >\n      Thank\n      you   all.")

    assert load(folder).flows["visit"].nodes["leave"].say == "Thank you all."


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "empty"),
        (b"# only a remark\n", 1, "empty"),
        (b"flow: visit\nstart: a\n", 1, "no `nodes:`"),
        (b"flow: visit\nstart: a\nnodes: none\n", 3, "name: value"),
        (b"- flow: visit\n", 1, "name: value"),
        ("flow: visit\n# caf\xe9\n".encode("latin-1"), 0, "UTF-8"),
        ("flow: visit\n".encode("utf-16"), 0, "UTF-8"),
        (b"[" * 2000, 1, "not YAML"),
        (b"flow: visit\n---\nflow: visit\n", 2, "not YAML"),
        (b"nodes: &all\n  again: *all\n", 2, "again"),
    ],
)
def test_a_file_that_is_no_flow_is_refused(folder: Path, content: bytes, line: int, words: str) -> None:
    (folder / "visit.yaml").write_bytes(content)

    refused = refusal(folder)

    assert (refused.file, refused.line) == ("visit.yaml", line)
    assert words in str(refused)


def test_a_mark_at_the_start_as_some_editors_write_it_is_no_mistake(folder: Path) -> None:
    (folder / "visit.yaml").write_text(VISIT.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")

    assert load(folder).flows["visit"].nodes["offer"].comment == "Two segments at most."


def test_a_folder_where_a_flow_should_be_is_refused(folder: Path) -> None:
    (folder / "other.yaml").mkdir()

    assert refusal(folder).file == "other.yaml"


@pytest.mark.parametrize("name", ALWAYS)
def test_every_node_the_program_enters_by_name_must_be_there(folder: Path, name: str) -> None:
    change(folder, f"{EVERYWHERE}.yaml", f"\n  {name}:\n", f"\n  not_{name}:\n")

    refused = refusal(folder)

    assert refused.file == f"{EVERYWHERE}.yaml"
    assert name in str(refused)


@pytest.mark.parametrize("name", OPENINGS)
def test_every_opening_of_the_morning_must_be_there(folder: Path, name: str) -> None:
    change(folder, f"{MORNING}.yaml", f"\n  {name}:\n", f"\n  not_{name}:\n")

    refused = refusal(folder)

    assert refused.file == f"{MORNING}.yaml"
    assert name in str(refused)


@pytest.mark.parametrize("file", [EVERYWHERE, MORNING, "barriers"])
def test_the_files_no_talk_can_do_without_are_missed_by_name(folder: Path, file: str) -> None:
    (folder / f"{file}.yaml").unlink()

    assert f"{file}.yaml" in str(refusal(folder))


def test_a_folder_without_flows_says_what_belongs_there(tmp_path: Path) -> None:
    assert f"{MORNING}.yaml" in str(refusal(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("housing: {", "hosing: {", "hosing"),
        ("flow: housing", "flow: hosing", "no flow file"),
        ("flow: housing", f"flow: {EVERYWHERE}", "no flow file"),
        ("goes_to: homeless_liaison", "goes_to: the_liaison", "homeless_liaison"),
        ("urgency: P1, goes_to: homeless_liaison", "urgency: now, goes_to: homeless_liaison", "P0"),
        ("housing: {root: barrier, ", "housing: {", "root"),
        ("housing: {root: barrier, ", "housing: {root: barrier, root: barrier, ", "keep one"),
        ("\nhousing: {", "\nillness: {", "keep one"),
        ("\nhousing: {", "\n# housing: {", "housing"),
    ],
)
def test_a_mistake_in_the_barriers_is_refused(folder: Path, old: str, new: str, words: str) -> None:
    change(folder, "barriers.yaml", old, new)

    refused = refusal(folder)

    assert refused.file == "barriers.yaml"
    assert words in str(refused)
    assert refused.line >= 1


# --- a promise: whatever a file holds, a Flow or a FlowError comes out ------------------------------------

_PIECES = [
    b"flow: visit\n", b"start: offer\n", b"nodes:\n", b"  offer:\n", b"    ", b"\t", b"- ", b"? ", b": ", b"|", b">",
    b"%YAML 9.9\n", b"%TAG ! x\n", b"---\n", b"...\n", b"&a ", b"*a", b"!!int ", b"!", b"!<", b'"', b"'", b"{", b"}",
    b"[", b"]", b",", b"#", b"<<", b"\n", b" ", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc2\x85", b"\\x", b"\\UFFFFFFFF",
    b"go", b"say", b"1", b"kindly", b"close: ", b"\xc2\xb2", b"wait: ", b"@", b"`", b"\r", b"\xe2\x80\xa8", b"%", b"~",
]  # fmt: skip
_WHOLE = VISIT.replace("visit\n", "a_visit\n", 1).encode()


def _with_a_hole(cut: tuple[int, int, list[bytes]]) -> bytes:
    at, length, pieces = cut
    return _WHOLE[:at] + b"".join(pieces) + _WHOLE[at + length :]


_ANY_FILE = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(_PIECES), max_size=25).map(b"".join),
    st.tuples(
        st.integers(0, len(_WHOLE)), st.integers(0, 30), st.lists(st.sampled_from(_PIECES), max_size=4)
    ).map(_with_a_hole),
)


@pytest.fixture(scope="module")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(ROOT / "flows", tmp_path_factory.mktemp("any") / "flows"))


@pytest.fixture(scope="module")
def bare_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One flow only, so that a broken barriers file is met quickly."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "visit.yaml").write_bytes(VISIT.encode())
    return folder


def read(folder: Path) -> Flows | FlowError:
    try:
        return load(folder)
    except FlowError as refused:
        return refused


@given(content=_ANY_FILE)
@example(content=b'"\\UFFFFFFFF"')
@example(content=b"&a a: 1\n&a b: 2\n")
@example(content=b"{a: " * 2000)
def test_whatever_a_file_holds_it_is_a_flow_or_a_refusal(own_folder: Path, content: bytes) -> None:
    (own_folder / "a_visit.yaml").write_bytes(content)

    match read(own_folder):
        case FlowError() as refused:
            assert refused.file
            assert "\n" not in str(refused)
        case Flows() as flows:
            assert flows.node(flows.start_of("a_visit")) is not None


@given(
    content=st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join))
)
def test_whatever_the_barriers_file_holds_it_is_a_refusal(bare_folder: Path, content: bytes) -> None:
    (bare_folder / "barriers.yaml").write_bytes(content)

    assert isinstance(read(bare_folder), FlowError)
