"""The HTTP that the stand-in answers: Twilio's API under one port, and a few pages of its own for tests."""

import asyncio
import base64
import itertools
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs, urlencode

from aiohttp import web

from bot.provider.standin import resources, rules
from bot.provider.standin.account import Account, Message
from bot.provider.standin.carrier import Carrier
from bot.provider.standin.posting import on_this_machine
from bot.provider.standin.rules import Refusal
from bot.provider.standin.trouble import PRESETS, Answer, Dice, Fate

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MOST_ON_A_PAGE, _USUALLY_ON_A_PAGE = 1000, 50  # TW-60
_FILTERS = ("To", "From", "DateSent", "DateSent<", "DateSent>")
_HTML = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"
_NONSENSE = ('{"sid": "SM', "null", "{}", "", '{"sid": null, "status": "queued"}')


class Api:
    """Twilio's side of the wire, for one account."""

    def __init__(self, account: Account, dice: Dice, carrier: Carrier) -> None:
        self._account = account
        self._dice = dice
        self._carrier = carrier
        self._at_once = 0

    def application(self) -> web.Application:
        messages = f"{resources.API}/{{account}}/Messages.json"
        one = f"{resources.API}/{{account}}/Messages/{{sid}}.json"
        app = web.Application()
        app.add_routes(
            [
                web.post(messages, self._allowed(self._create)),
                web.get(messages, self._asked(self._list)),
                web.get(one, self._asked(self._fetch)),
                web.post(one, self._asked(self._change)),
                web.delete(one, self._asked(self._delete)),
                web.get(f"{resources.API}/{{account}}.json", self._asked(self._owner)),
                web.get(f"{resources.API}/{{account}}/IncomingPhoneNumbers.json", self._asked(self._numbers)),
                web.get("/v1/Services/{service}", self._asked(self._service)),
                web.get(
                    "/v1/Services/{service}/{kind:PhoneNumbers|ShortCodes}",
                    self._asked(self._service_senders),
                ),
                web.get("/v1/Deactivations", self._asked(self._deactivations)),
                web.get("/v2/PhoneNumbers/{number}", self._asked(self._line)),
                # Without credentials, as Twilio's own file stands at a signed address elsewhere.
                web.get("/deactivated/{day}.txt", self._deactivated),
                web.get("/book", self._book),
                web.get("/accepted", self._accepted),
                web.get("/counts", self._counts),
                web.get("/spoken", self._spoken),
                web.post("/family", self._family_writes),
                web.post("/switch", self._switch),
                web.route("*", "/{anything:.*}", self._nowhere),
            ]
        )
        return app

    # --- what stands before every answer --------------------------------------------------------------------

    def _allowed(self, page: Page) -> Page:
        """Only with the account's own id and token, and only about this account."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            account = self._account
            pair = base64.b64encode(f"{account.account_sid}:{account.auth_token}".encode()).decode()
            if request.headers.get("Authorization") != f"Basic {pair}":
                account.count("unauthorized")
                return _refused(20003)
            if request.match_info.get("account", account.account_sid) != account.account_sid:
                return _refused(20404)
            return await page(request)

        return guarded

    def _asked(self, page: Page) -> Page:
        """A question, or a change to what is there already: it can go wrong too, but then nothing was done."""

        async def moody(request: web.Request) -> web.StreamResponse:
            self._account.count("questions")
            mood = self._dice.mood(self._account.trouble)
            if mood.answer is Answer.RESET_BEFORE:
                return _cut(request)
            await asyncio.sleep(mood.latency)
            if mood.answer is Answer.BUSY:
                return _refused(20429)
            if mood.answer is Answer.FAILED_INSIDE:
                return _refused(20500)
            if mood.answer is Answer.HTML:
                return web.Response(text=_HTML, content_type="text/html")
            return await page(request)

        return self._allowed(moody)

    # --- texts ----------------------------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.StreamResponse:
        account = self._account
        account.count("creates")
        # Before anything is waited for: the dice fall in the order in which creates arrive.
        fate = self._dice.fate(account.trouble)
        if fate.answer is Answer.RESET_BEFORE:
            account.count("reset_before")
            return _cut(request)
        self._at_once += 1
        try:
            return await self._decide(request, fate)
        finally:
            self._at_once -= 1

    async def _decide(self, request: web.Request, fate: Fate) -> web.StreamResponse:
        account = self._account
        most = account.trouble.most_at_once
        if fate.answer is Answer.BUSY or (most and self._at_once > most):
            account.count("busy")
            await asyncio.sleep(fate.latency)
            return _refused(20429)
        if not fate.accepted:
            account.count("failed_inside")
            await asyncio.sleep(fate.latency)
            return _failed(fate)
        sent = await _form(request)
        form = {name: values[0] for name, values in sent.items()}
        refusal = account.refusal(form, account.clock())
        if refusal:
            account.count(f"refused_{refusal.code}")
            await asyncio.sleep(fate.latency)
            return _refused(refusal.code)
        media = len(sent.get("MediaUrl", ()))
        message = account.accept(form, error_code=fate.error_code, media=media, at=account.clock())
        # What the answer says was so when the text was accepted, however long the answer takes.
        said = resources.message(account, message)
        await self._carrier.carry(message, fate)
        if fate.answer is not Answer.GIVEN:
            account.count(str(fate.answer))
        await asyncio.sleep(account.trouble.hang_seconds if fate.answer is Answer.HANGS else fate.latency)
        match fate.answer:
            case Answer.RESET:
                return _cut(request)
            case Answer.FAILED_INSIDE:
                return _failed(fate)
            case Answer.HTML:
                return web.Response(text=_HTML, content_type="text/html")
            case Answer.NONSENSE:
                nonsense = _NONSENSE[int(fate.nonsense * len(_NONSENSE))]
                return web.Response(status=201, text=nonsense, content_type="application/json")
            case Answer.GIVEN:
                account.count("answered")
        return _json(said, 201)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        account = self._account
        asked = {name: request.query[name] for name in _FILTERS if request.query.get(name)}
        size, page = (
            _whole(request.query.get("PageSize"), _USUALLY_ON_A_PAGE),
            _whole(request.query.get("Page"), 0),
        )
        if any(name.startswith("DateSent") and rules.moment(said) is None for name, said in asked.items()):
            return _refused(20001)
        size = min(max(size, 1), _MOST_ON_A_PAGE)
        found = account.listed(asked)
        # A page begins below the last text of the one before, whatever has come in on top since.
        last = account.message(request.query.get("PageToken", "")[2:])
        if last:
            found = itertools.dropwhile(lambda text: text.place >= last.place, found)
        else:
            found = itertools.islice(found, page * size, None)
        kept: list[Message] = list(itertools.islice(found, size + 1))
        shown = kept[:size]

        def address(number: int, token: str = "") -> str:
            query = {**asked, "PageSize": size, "Page": number, **({"PageToken": token} if token else {})}
            return f"{resources.API}/{account.account_sid}/Messages.json?{urlencode(query)}"

        return _json(
            {
                "messages": [resources.message(account, text) for text in shown],
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": page * size + max(len(shown) - 1, 0),
                "uri": address(page),
                "first_page_uri": address(0),
                "previous_page_uri": address(page - 1) if page else None,
                "next_page_uri": address(page + 1, f"PA{shown[-1].sid}") if len(kept) > size else None,
            }
        )

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        message = self._account.message(request.match_info["sid"])
        return _json(resources.message(self._account, message)) if message else _refused(20404)

    async def _change(self, request: web.Request) -> web.StreamResponse:
        """Empty a body, or cancel a scheduled text; nothing else can be changed."""
        account = self._account
        message = account.message(request.match_info["sid"])
        form = await _form(request)
        if message is None:
            return _refused(20404)
        if form.get("Status") == ["canceled"]:
            if message.status != "scheduled":
                return _refused(30409)
            message.status = "canceled"
        elif form.get("Body") == [""]:
            message.body = ""
            account.count("redacted")
        else:
            return _refused(20001)
        message.updated_at = account.clock()
        return _json(resources.message(account, message))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        message = self._account.message(request.match_info["sid"])
        if message is None:
            return _refused(20404)
        message.deleted = True
        return web.Response(status=204)

    # --- the account, its senders, and numbers --------------------------------------------------------------

    async def _owner(self, _request: web.Request) -> web.StreamResponse:
        return _json(resources.owner(self._account))

    async def _numbers(self, request: web.Request) -> web.StreamResponse:
        account = self._account
        wanted = request.query.get("PhoneNumber", "")
        numbers = [wanted] if wanted else [account.number]
        shown = [resources.number(account, each) for each in numbers if account.owns(each)]
        uri = str(request.rel_url)
        return _json(
            {
                "incoming_phone_numbers": shown,
                "page": 0,
                "page_size": _USUALLY_ON_A_PAGE,
                "start": 0,
                "end": max(len(shown) - 1, 0),
                "uri": uri,
                "first_page_uri": uri,
                "previous_page_uri": None,
                "next_page_uri": None,
            }
        )

    async def _service(self, request: web.Request) -> web.StreamResponse:
        sid = request.match_info["service"]
        if not self._has_service(sid):
            return _refused(20404)
        return _json(resources.service(self._account, sid, str(request.url)))

    async def _service_senders(self, request: web.Request) -> web.StreamResponse:
        """PhoneNumbers or ShortCodes of a service."""
        account, sid, kind = self._account, request.match_info["service"], request.match_info["kind"]
        if not self._has_service(sid):
            return _refused(20404)
        url = str(request.url.with_query(None))
        senders = account.short_codes if kind == "ShortCodes" else [account.number]
        shown = [resources.service_sender(account, sid, sender, url) for sender in senders]
        key = "short_codes" if kind == "ShortCodes" else "phone_numbers"
        meta = {"key": key, "page": 0, "page_size": 50, "next_page_url": None}
        meta |= {"previous_page_url": None, "first_page_url": url, "url": url}
        return _json({"meta": meta, key: shown})

    def _has_service(self, sid: str) -> bool:
        return self._account.owns(sid) and self._account.service_sid in ("", sid)

    async def _deactivations(self, request: web.Request) -> web.StreamResponse:
        day = request.query.get("Date", "")
        if day not in self._account.deactivated:
            return _refused(20404)
        # Our own address, whatever host the client believes it asked.
        origin = str(request.url.origin())
        if not on_this_machine(origin):
            host, port = request.get_extra_info("sockname")[:2]
            origin = f"http://{host}:{port}"
        url = f"{origin}/deactivated/{day}.txt"
        return _json({"redirect_to": url}, 307, {"Location": url})

    async def _deactivated(self, request: web.Request) -> web.StreamResponse:
        lines = self._account.deactivated.get(request.match_info["day"])
        if lines is None:
            return web.Response(status=404)
        return web.Response(text="".join(f"{line}\n" for line in lines))

    async def _line(self, request: web.Request) -> web.StreamResponse:
        fields = request.query.get("Fields", "").split(",")
        number = request.match_info["number"]
        return _json(resources.line(self._account, number, fields, str(request.url)))

    async def _nowhere(self, _request: web.Request) -> web.StreamResponse:
        return _refused(20404)

    # --- pages of its own, for tests that run it as a process -----------------------------------------------

    async def _book(self, _request: web.Request) -> web.StreamResponse:
        return _lines(entry.line() for entry in self._account.book)

    async def _accepted(self, _request: web.Request) -> web.StreamResponse:
        return _lines(entry.line() for entry in self._account.accepted)

    async def _counts(self, _request: web.Request) -> web.StreamResponse:
        return _json(self._account.counts)

    async def _spoken(self, _request: web.Request) -> web.StreamResponse:
        return _json([asdict(spoken) for spoken in self._account.spoken_by_twiml])

    async def _family_writes(self, request: web.Request) -> web.StreamResponse:
        """A family writes: `number`, `words`, and `to` when it is not the usual one."""
        form = {name: values[0] for name, values in (await _form(request)).items()}
        number, words, to = form.get("number", ""), form.get("words", ""), form.get("to", "")
        to = to or self._account.number
        return _json(asdict(await self._carrier.write(number, words, to=to)))

    async def _switch(self, request: web.Request) -> web.StreamResponse:
        """Change `trouble` (a preset), `refuses_sender` (an error, 0 for none) or `answer_url` while it runs."""
        form = {name: values[0] for name, values in (await _form(request)).items()}
        account = self._account
        trouble, refuses = form.get("trouble", ""), form.get("refuses_sender", "")
        if (trouble and trouble not in PRESETS) or (refuses and not refuses.isdecimal()):
            return _refused(20001)
        account.trouble = PRESETS.get(trouble, account.trouble)
        account.refuses_sender = int(refuses) if refuses else account.refuses_sender
        account.answer_url = form.get("answer_url", account.answer_url)
        return web.Response(status=204)


async def _form(request: web.Request) -> dict[str, list[str]]:
    """What was posted; bytes that are no text are replaced, and anything but a form is an empty one."""
    return parse_qs((await request.read()).decode("utf-8", "replace"), keep_blank_values=True)


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=json.dumps(body).encode(), status=status, headers=headers, content_type="application/json"
    )


def _lines(lines: Iterable[str]) -> web.Response:
    text = "".join(f"{line}\n" for line in lines)
    return web.Response(text=text, content_type="application/x-ndjson")


def _refused(code: int) -> web.Response:
    refusal = Refusal(code)
    headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if refusal.status == 401 else None
    return _json(refusal.body, refusal.status, headers)


def _failed(fate: Fate) -> web.Response:
    """A 500 in Twilio's words, or a 503 in those of some machine in front of it."""
    if fate.status == 500:
        return _refused(20500)
    return web.Response(status=503, text="upstream connect error", content_type="text/plain")


def _cut(request: web.Request) -> web.Response:
    """Reset the connection; the answer that is returned goes nowhere."""
    transport = request.transport
    if transport:
        # Without lingering, closing sends a reset instead of an orderly end.
        line = transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


def _whole(said: str | None, default: int) -> int:
    return int(said) if said and said.isascii() and said.isdigit() and len(said) < 9 else default
