"""The simulated phones: the families' side of the talk, for a demo or a rehearsal on this machine."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import arrivals, chat, staff
from bot.clock import school_day
from bot.language import Language
from bot.store.tables import WayIn
from bot.timeline.phones import Bubble, PhoneOnPage, last_morning, number_of, phones, thread
from bot.web import guard, times
from bot.web.parts import Parts

# As many as stand side by side on a laptop.
_AT_ONCE = 4
_LONGEST_TEXT = 1600

# What a visitor may try first, in the words of real families.
_SUGGESTIONS = {
    Language.ENGLISH: ("no ride today", "fever, staying home today", "can someone call me", "STOP"),
    Language.SPANISH: (
        "tiene fiebre, se queda en casa",
        "no tenemos carro hoy",
        "me puede llamar alguien",
        "PARAR",
    ),
    Language.ARABIC: ("عنده حرارة اليوم", "ما في سيارة اليوم", "محتاجة مترجم عربي يكلمني", "STOP"),
    Language.PORTUGUESE: ("está com febre", "o carro quebrou", "quero falar com alguém", "STOP"),
    Language.HAITIAN_CREOLE: ("li gen lafyèv", "nou pa gen machin", "mwen vle pale ak yon moun", "STOP"),
    Language.POLISH: ("ma gorączkę", "akumulator padł", "proszę o telefon", "STOP"),
    Language.ALBANIAN: ("ka temperaturë", "autobusi s'ndaloi", "a mund te me telefonoje dikush", "STOP"),
    Language.VIETNAMESE: ("cháu bị sốt", "xe buýt không tới", "cô gọi cho em được không", "STOP"),
    Language.UKRAINIAN: ("захворіла, температура", "нема як завезти", "передзвоніть мені", "STOP"),
    Language.CHINESE: ("孩子发烧", "车坏了", "能不能找个人给我打电话", "STOP"),
}


@dataclass(frozen=True)
class Screen:
    """One phone as it stands on the page: each text with its time, and what a visitor might type."""

    phone: PhoneOnPage
    texts: Sequence[tuple[Bubble, str]]
    suggestions: Sequence[str]
    form_key: str


@dataclass(frozen=True)
class Page:
    """`others` are the phones to choose from; `mark` changes with anything that a shown phone shows."""

    screens: Sequence[Screen]
    others: Sequence[PhoneOnPage]
    today: str
    mark: str

    @property
    def shown(self) -> list[int]:
        return [screen.phone.id for screen in self.screens]


def pages(parts: Parts) -> Blueprint:
    page = Blueprint("phones", __name__)

    @page.get("/")
    def front() -> ResponseReturnValue:
        return redirect(url_for("phones.several"), 303)

    @page.get("/phones")
    def several() -> ResponseReturnValue:
        with parts.database.begin() as session:
            specialist = staff.first_specialist(session)
        return render_template("phones.html", page=_read(parts, _asked()), specialist=specialist)

    @page.get("/phones/news")
    def news() -> ResponseReturnValue:
        now = _read(parts, _asked(), with_others=False)
        if request.args.get("seen") == now.mark:
            return "", 204
        if not _asked():
            return "", {"HX-Refresh": "true"}  # the page was empty, and the morning has begun
        return render_template("_phones_news.html", page=now)

    @page.post("/phones/<int:phone_id>/write")
    def write(phone_id: int) -> ResponseReturnValue:
        _write(parts, phone_id, request.form.get("words", "").strip())
        if "HX-Request" in request.headers:
            written_on = _read(parts, [phone_id], with_others=False)
            return render_template("_phone.html", screen=written_on.screens[0], shown=_asked())
        return redirect(url_for("phones.several", show=_asked(), _anchor=f"phone-{phone_id}"), 303)

    @page.post("/phones/<int:phone_id>/chat")
    def chat_page(phone_id: int) -> ResponseReturnValue:
        """The page behind the link that a district may add to its check-ins."""
        days = parts.script.policy.chat_days
        with parts.database.begin() as session:
            token = chat.link_for_phone(session, phone_id, days=days, now=parts.now)
        if token is None:
            abort(404)
        return redirect(url_for("chat.show", token=token), 303)

    @page.post("/phones/desk")
    def desk() -> ResponseReturnValue:
        with parts.database.begin() as session:
            specialist = staff.first_specialist(session)
            if specialist is None:
                abort(404)
            token = staff.open_session(session, specialist.id, now=parts.now, way=WayIn.DEMO)
        guard.enter_from_the_phones(token)
        return redirect(url_for("desk.queue"), 303)

    return page


def _asked() -> list[int]:
    """The phones named in the address or the form, in order, each once."""
    return list(dict.fromkeys(request.values.getlist("show", type=int)))[:_AT_ONCE]


def _write(parts: Parts, phone_id: int, words: str) -> None:
    """The provider's own road: from here on nothing knows that the phone is simulated."""
    with parts.database.begin() as session:
        sender = number_of(session, phone_id)
        if sender is None:
            abort(404)
        if words:
            sid = _invented_sid(phone_id, request.form.get("form_key", ""), words)
            arrivals.receive(
                session, provider_sid=sid, sender=sender, words=words[:_LONGEST_TEXT], now=parts.now
            )
    parts.wake()


def _invented_sid(phone_id: int, form_key: str, words: str) -> str:
    """As the provider would number a text; a form sent twice by a double click makes the same one again."""
    key = f"{phone_id}:{form_key or secrets.token_hex(16)}:{words}"
    return f"SM{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _read(parts: Parts, asked: Sequence[int], *, with_others: bool = True) -> Page:
    now = parts.now
    with parts.database.begin() as session:
        day = last_morning(session)
        found = phones(session, day, None if with_others or not asked else asked) if day else []
        by_id = {phone.id: phone for phone in found}
        chosen = [by_id[each] for each in asked if each in by_id] or found[:_AT_ONCE]
        threads = {phone.id: thread(session, phone.id) for phone in chosen}
    today = _today(chosen, now)
    return Page(
        screens=[_screen(phone, threads[phone.id], now) for phone in chosen],
        others=[phone for phone in found if phone.id not in threads],
        today=today,
        mark=hashlib.sha256(f"{today}{threads!r}".encode()).hexdigest()[:16],
    )


def _screen(phone: PhoneOnPage, bubbles: Sequence[Bubble], now: datetime) -> Screen:
    zone = ZoneInfo(phone.zone)
    return Screen(
        phone=phone,
        texts=[(bubble, times.said(bubble.at, zone, now)) for bubble in bubbles],
        suggestions=_SUGGESTIONS[phone.language],
        form_key=secrets.token_hex(16),
    )


def _today(shown: Sequence[PhoneOnPage], now: datetime) -> str:
    if not shown:
        return ""
    zone = ZoneInfo(shown[0].zone)
    return f"{times.day_said(school_day(now, zone))}, {times.clock_time(now, zone)}"
