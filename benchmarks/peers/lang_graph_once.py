"""The talk on LangGraph at its fastest: one node a turn, and the state saved once, when the turn ends.

`durability="exit"` and no `interrupt`, which would run a node twice. A crash inside a turn loses that
turn, as everywhere; nothing else is given up for the speed.
"""

from typing import TypedDict

from langgraph.graph import END, START, StateGraph

from benchmarks.peers import talk
from benchmarks.peers.lang_graph import saver


class Talk(TypedDict, total=False):
    words: str
    next_step: str
    reason: str
    day: str
    said: str


def ask(_talk: Talk) -> Talk:
    return {"next_step": "hear_reason", "said": talk.ASKED}


def hear_reason(so_far: Talk) -> Talk:
    return {"next_step": "hear_day", "reason": so_far["words"], "said": talk.WHEN}


def hear_day(so_far: Talk) -> Talk:
    day = so_far["words"]
    return {"next_step": "close", "day": day, "said": talk.EXPECTED.format(day=day)}


def close(so_far: Talk) -> Talk:
    return {"next_step": "ask", "said": talk.CLOSING.format(day=so_far["day"])}


def make(file: str) -> talk.Take:
    building = StateGraph(Talk)
    for step in (ask, hear_reason, hear_day, close):
        building.add_node(step.__name__, step)
        building.add_edge(step.__name__, END)
    building.add_conditional_edges(
        START, lambda so_far: so_far.get("next_step", "ask"), ["ask", "hear_reason", "hear_day", "close"]
    )
    graph = building.compile(checkpointer=saver(file))

    async def take(family: str, words: str) -> str:
        after = graph.invoke({"words": words}, {"configurable": {"thread_id": family}}, durability="exit")
        return str(after["said"])

    return take


if __name__ == "__main__":
    talk.main(make)
