"""The talk on Microsoft's Bot Framework: botbuilder-dialogs with its state in SQLite.

One DialogSet for the process, as in the framework's own dialog samples; a waterfall of prompts; the
conversation's state read and written once a turn. The framework has no storage for SQLite, so this
one keeps what its Cosmos DB storage keeps (jsonpickle), with one commit a turn. It stores no message,
does not see a repeated one, and hands off to nobody.
"""

import json
import sqlite3
from typing import Any

from botbuilder.core import BotAdapter, ConversationState, Storage, TurnContext
from botbuilder.dialogs import DialogSet, DialogTurnResult, DialogTurnStatus, WaterfallDialog
from botbuilder.dialogs.prompts import PromptOptions, TextPrompt
from botbuilder.schema import Activity, ChannelAccount, ConversationAccount, ResourceResponse
from jsonpickle.pickler import Pickler
from jsonpickle.unpickler import Unpickler

from benchmarks.peers import talk


class SqliteStorage(Storage):  # type: ignore[misc]
    """One row for each conversation's state."""

    def __init__(self, file: str) -> None:
        # The framework does all of a turn in one thread; autocommit makes one write one transaction.
        self.connection = sqlite3.connect(file, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.execute("CREATE TABLE IF NOT EXISTS states (key TEXT PRIMARY KEY, state TEXT)")

    async def read(self, keys: list[str]) -> dict[str, Any]:
        found = {}
        for key in keys:
            row = self.connection.execute("SELECT state FROM states WHERE key = ?", (key,)).fetchone()
            if row is not None:
                found[key] = Unpickler().restore(json.loads(row[0]))
        return found

    async def write(self, changes: dict[str, Any]) -> None:
        for key, state in changes.items():
            self.connection.execute(
                "INSERT INTO states VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state",
                (key, json.dumps(Pickler().flatten(state))),
            )

    async def delete(self, keys: list[str]) -> None:
        for key in keys:
            self.connection.execute("DELETE FROM states WHERE key = ?", (key,))


class Phones(BotAdapter):  # type: ignore[misc]
    """The cheapest adapter there can be: what is said is kept in a list, and nothing is posted."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    async def send_activities(
        self, _context: TurnContext, activities: list[Activity]
    ) -> list[ResourceResponse]:
        self.said.extend(activity.text for activity in activities)
        return [ResourceResponse(id="1") for _ in activities]

    async def update_activity(self, context: TurnContext, activity: Activity) -> None:
        raise NotImplementedError

    async def delete_activity(self, context: TurnContext, reference: Any) -> None:
        raise NotImplementedError


def _asks(words: str) -> PromptOptions:
    return PromptOptions(prompt=Activity(type="message", text=words))


async def ask(step: Any) -> DialogTurnResult:
    return await step.prompt("text", _asks(talk.ASKED))


async def hear_reason(step: Any) -> DialogTurnResult:
    step.values["reason"] = step.result
    return await step.prompt("text", _asks(talk.WHEN))


async def hear_day(step: Any) -> DialogTurnResult:
    step.values["day"] = step.result
    return await step.prompt("text", _asks(talk.EXPECTED.format(day=step.result)))


async def close(step: Any) -> DialogTurnResult:
    await step.context.send_activity(talk.CLOSING.format(day=step.values["day"]))
    return await step.end_dialog(step.values)


def make(file: str) -> talk.Take:
    state = ConversationState(SqliteStorage(file))
    dialogs = DialogSet(state.create_property("DialogState"))
    dialogs.add(TextPrompt("text"))
    dialogs.add(WaterfallDialog("absence check", [ask, hear_reason, hear_day, close]))
    phones = Phones()

    async def turn(context: TurnContext) -> None:
        stack = await dialogs.create_context(context)
        went = await stack.continue_dialog()
        if went.status == DialogTurnStatus.Empty:
            await stack.begin_dialog("absence check")
        await state.save_changes(context)

    async def take(family: str, words: str) -> str:
        phones.said.clear()
        activity = Activity(
            type="message",
            text=words,
            channel_id="sms",
            service_url="https://example.org",
            conversation=ConversationAccount(id=family),
            from_property=ChannelAccount(id=family),
            recipient=ChannelAccount(id="school"),
        )
        await phones.run_pipeline(TurnContext(phones, activity), turn)
        return " ".join(phones.said)

    return take


if __name__ == "__main__":
    talk.main(make)
