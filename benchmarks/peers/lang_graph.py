"""The talk on LangGraph with its own SqliteSaver, as its pages on people in the loop show it.

The graph pauses at `interrupt`, goes on with `Command(resume=...)`, and saves as it does by default:
a checkpoint and its writes at each step. It stores no message by itself, does not see a repeated
one, and hands off to nobody.
"""

import sqlite3
from typing import Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from benchmarks.peers import talk


class Heard(TypedDict, total=False):
    reason: str
    day: str
    closing: str


def ask(_heard: Heard) -> Heard:
    return {"reason": interrupt(talk.ASKED)}


def hear_reason(_heard: Heard) -> Heard:
    return {"day": interrupt(talk.WHEN)}


def hear_day(heard: Heard) -> Heard:
    interrupt(talk.EXPECTED.format(day=heard["day"]))
    return {"closing": talk.CLOSING.format(day=heard["day"])}


def saver(file: str) -> SqliteSaver:
    connection = sqlite3.connect(file, check_same_thread=False)  # the saver itself sets WAL
    connection.execute("PRAGMA synchronous=NORMAL")
    return SqliteSaver(connection)


def make(file: str) -> talk.Take:
    building = StateGraph(Heard)
    building.add_node("ask", ask)
    building.add_node("hear_reason", hear_reason)
    building.add_node("hear_day", hear_day)
    building.add_edge(START, "ask")
    building.add_edge("ask", "hear_reason")
    building.add_edge("hear_reason", "hear_day")
    building.add_edge("hear_day", END)
    graph = building.compile(checkpointer=saver(file))

    async def take(family: str, words: str) -> str:
        given: Any = Command(resume=words) if words else {}
        after = graph.invoke(given, {"configurable": {"thread_id": family}})
        paused = after.get("__interrupt__")
        return str(paused[0].value if paused else after["closing"])

    return take


if __name__ == "__main__":
    talk.main(make)
