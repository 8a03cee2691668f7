"""How the program talks: each flow as a picture, for staff to read and discuss."""

from flask import Blueprint, Response, abort, render_template
from flask.typing import ResponseReturnValue

from bot import drawing
from bot.access import Act
from bot.web import guard
from bot.web.parts import Parts


def add(page: Blueprint, parts: Parts) -> None:
    flows = parts.script.flows.flows

    @page.get("/conversations")
    @guard.needs(Act.READ)
    def conversations() -> ResponseReturnValue:
        return render_template("desk/conversations.html", names=list(flows))

    @page.get("/conversations/<name>.svg")
    @guard.needs(Act.READ)
    def conversation(name: str) -> ResponseReturnValue:
        if name not in flows:
            abort(404)
        return Response(drawing.draw(flows[name]), mimetype="image/svg+xml")
