"""Draws a flow as a picture staff can read: each step a box, each answer an arrow."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bot.conversation.flow import Flow, Node

# Pixels. A box holds its name, its text and how it ends; a column of boxes is read from the top.
_BOX, _GAP_X, _GAP_Y, _LINE, _PAD, _MARGIN = 330, 90, 40, 17, 12, 24
_CHARACTERS = 42  # of the text in one line of a box

# Colours as attributes, not as a style sheet: the desk's pages allow none that stand inside a document.
_FILL = {"asks": "#eef4fb", "ends": "#f3f7ee", "person": "#fdf3e3", "step": "#ffffff"}
_EDGE = {"asks": "#33547c", "ends": "#567a2e", "person": "#a3650a", "step": "#33547c"}
_INK = {"name": 'font-weight="700" fill="#1c2733"', "said": 'fill="#1c2733"', "how": 'font-style="italic" fill="#4c5a68"',
        "way": 'font-size="12" fill="#33547c"'}  # fmt: skip

_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="13" '
    'role="img" aria-label="The flow {name}">'
)
_ARROW = 'fill="none" stroke="#51667d" stroke-width="1.3" marker-end="url(#head)"'
_ARROWHEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto-start-reverse"><path d="M0 0 L8 4 L0 8 z" fill="#51667d"/></marker></defs>'
)


@dataclass
class _Box:
    name: str
    lines: list[str]
    how: str
    kind: str
    ways: dict[str, list[str]]  # target -> the answers that lead there, each way a row of the box
    x: int = 0
    y: int = 0

    @property
    def height(self) -> int:
        return _PAD * 2 + _LINE * (1 + len(self.lines) + bool(self.how) + len(self.ways))

    def row(self, place: int) -> int:
        """Where the row of one way stands."""
        return self.y + _PAD + _LINE * (2 + len(self.lines) + bool(self.how) + place) - 4


def draw(flow: Flow) -> str:
    """The flow as an SVG document. The same flow gives the same bytes."""
    columns = _columns(flow)
    boxes: dict[str, _Box] = {}
    tallest = 0
    for column, names in enumerate(columns):
        y = _MARGIN
        for name in names:
            box = _box(flow, name)
            box.x, box.y = _MARGIN + column * (_BOX + _GAP_X), y
            boxes[name] = box
            y += box.height + _GAP_Y
        tallest = max(tallest, y)
    width = _MARGIN * 2 + len(columns) * (_BOX + _GAP_X) - _GAP_X
    parts = [
        _HEAD.format(width=width, height=tallest, name=escape(flow.name)),
        _ARROWHEAD,
        *_arrows(boxes),
        *(line for box in boxes.values() for line in _drawn(box)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _own(flow: Flow, target: str) -> str:
    """A node of this flow by its bare name; one of another flow as flow.node."""
    prefix, _, name = target.partition(".")
    return name if prefix == flow.name else target


def _ways(flow: Flow, node: Node) -> dict[str, list[str]]:
    """Where a node leads: target -> the answers that lead there."""
    ways: dict[str, list[str]] = {}
    for answer, target in (node.go or {}).items():
        ways.setdefault(_own(flow, target), []).append(answer)
    if node.then:
        ways.setdefault(_own(flow, node.then), []).append("")
    return ways


def _columns(flow: Flow) -> list[list[str]]:
    """Nodes by how many steps they are from an opening, in the file's order."""
    led_to = {target for node in flow.nodes.values() for target in _ways(flow, node)}
    openings = [name for name in flow.nodes if name == flow.start or name not in led_to]
    depth = dict.fromkeys(openings, 0)
    ahead = list(openings)
    while ahead:
        name = ahead.pop(0)
        for target in _ways(flow, flow.nodes[name]):
            if target in flow.nodes and target not in depth:
                depth[target] = depth[name] + 1
                ahead.append(target)
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name in flow.nodes:
        columns[depth.get(name, 0)].append(name)
    return columns


def _box(flow: Flow, name: str) -> _Box:
    node = flow.nodes[name]
    if node.go is not None:
        kind, how = "asks", f"waits {node.wait} minutes"
    elif node.hand_off is not None:
        urgency = f", {node.urgency.value}" if node.urgency else ""
        kind, how = "person", f"to a person: {node.hand_off.value}{urgency}"
    elif node.close:
        kind, how = "ends", "ends kindly"
    else:
        kind, how = "step", ""
    if node.record:
        how = f"records {node.record.value}" + (f"; {how}" if how else "")
    return _Box(name, textwrap.wrap(node.say, _CHARACTERS), how, kind, _ways(flow, node))


def _drawn(box: _Box) -> Iterable[str]:
    colours = f'fill="{_FILL[box.kind]}" stroke="{_EDGE[box.kind]}" stroke-width="1.5"'
    yield f'<rect x="{box.x}" y="{box.y}" width="{_BOX}" height="{box.height}" rx="8" {colours}/>'
    y = box.y + _PAD + _LINE - 4
    yield f'<text {_INK["name"]} x="{box.x + _PAD}" y="{y}">{escape(box.name)}</text>'
    for line in box.lines:
        y += _LINE
        yield f'<text {_INK["said"]} x="{box.x + _PAD}" y="{y}">{escape(line)}</text>'
    if box.how:
        yield f'<text {_INK["how"]} x="{box.x + _PAD}" y="{y + _LINE}">{escape(box.how)}</text>'
    for place, (target, answers) in enumerate(box.ways.items()):
        said = ", ".join(answer for answer in answers if answer)
        row = f"{said} \u2192 {target}" if said else f"\u2192 {target}"
        yield f'<text {_INK["way"]} x="{box.x + _PAD}" y="{box.row(place)}">{escape(row)}</text>'


def _arrows(boxes: dict[str, _Box]) -> Iterable[str]:
    """From the row of each answer to the box it leads to; ways into other flows are only named."""
    for source in boxes.values():
        for place, name in enumerate(source.ways):
            target = boxes.get(name)
            if target is None:
                continue
            y1, y2 = source.row(place) - 4, target.y + _PAD + 6
            if target.x > source.x:
                x1, x2 = source.x + _BOX, target.x
                bend = f"C{x1 + _GAP_X // 2} {y1} {x2 - _GAP_X // 2} {y2} {x2} {y2}"
            else:  # back, or down its own column: around the left side
                x1, x2 = source.x, target.x
                bend = f"C{x1 - _MARGIN} {y1} {x2 - _MARGIN} {y2} {x2} {y2}"
            yield f'<path {_ARROW} d="M{x1} {y1} {bend}"/>'
