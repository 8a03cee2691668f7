"""Sign in, and out again."""

import re
from collections import OrderedDict
from datetime import datetime, timedelta

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from bot import staff
from bot.web import guard
from bot.web.parts import Parts

_WITHIN = timedelta(minutes=15)
_MOST = 8
_REMEMBERED = 1000

# Only to the desk's own pages: an address from outside must not lead a staff member elsewhere.
_DESK_PAGE = re.compile(r"/desk/[A-Za-z0-9/-]*")


class Failures:
    """Counts the sign-ins that failed, by address, so that guessing a password takes years.

    Kept in this process: with several of them a guesser has that many times as many tries, still few.
    """

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, list[datetime]] = OrderedDict()

    def too_many(self, email: str, now: datetime) -> bool:
        recent = [at for at in self._by_address.get(_key(email), []) if at > now - _WITHIN]
        return len(recent) >= _MOST

    def add(self, email: str, now: datetime) -> None:
        recent = [at for at in self._by_address.pop(_key(email), []) if at > now - _WITHIN]
        self._by_address[_key(email)] = [*recent[-_MOST:], now]
        while len(self._by_address) > _REMEMBERED:
            self._by_address.popitem(last=False)

    def forget(self, email: str) -> None:
        self._by_address.pop(_key(email), None)


def _key(email: str) -> str:
    return email.strip().casefold()[:255]


def pages(parts: Parts) -> Blueprint:
    page = Blueprint("sign_in", __name__)
    failures = Failures()

    if not parts.simulated_phones:  # else the families' phones are what a visitor sees first

        @page.get("/")
        def front() -> ResponseReturnValue:
            return redirect(url_for("desk.queue"), 303)

    @page.get("/sign-in")
    def form() -> ResponseReturnValue:
        return _form(request.args.get("next", ""))

    @page.post("/sign-in")
    def enter() -> ResponseReturnValue:
        email, password = request.form.get("email", ""), request.form.get("password", "")
        back = request.form.get("next", "")
        if failures.too_many(email, parts.now):
            sentence = "Too many tries for this address. Wait 15 minutes, or have your password reset."
            return _form(back, email, sentence), 429
        with parts.database.begin() as database:
            token = staff.sign_in(database, email, password, now=parts.now)
        if token is None:
            failures.add(email, parts.now)
            sentence = "This e-mail address and password do not belong together. Check both and try again."
            return _form(back, email, sentence), 422
        failures.forget(email)
        guard.enter(token)
        return redirect(back if _DESK_PAGE.fullmatch(back) else url_for("desk.queue"), 303)

    @page.post("/sign-out")
    def leave() -> ResponseReturnValue:
        with parts.database.begin() as database:
            staff.sign_out(database, session[guard.TOKEN], now=parts.now)
        session.clear()
        flash("You are signed out.")
        return redirect(url_for("sign_in.form"), 303)

    def _form(back: str, email: str = "", wrong: str = "") -> str:
        return render_template(
            "sign_in.html", back=back, email=email, wrong=wrong, simulated=parts.simulated_phones
        )

    return page
