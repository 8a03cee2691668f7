"""For whoever watches the program from outside: is it up, is it ready for its work, and the figures."""

import hmac
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from flask import Blueprint, Request, Response, abort, request
from flask.typing import ResponseReturnValue
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bot import watch
from bot.watch import Figure
from bot.web.parts import Parts

# What a proxy adds. Whoever came through one is not on this machine, whatever the socket says.
_OF_A_PROXY = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


def pages(parts: Parts) -> Blueprint:
    page = Blueprint("watched", __name__)

    @page.get("/healthz")
    def health() -> ResponseReturnValue:
        """The process serves. Nothing else is asked: a database that is away is no reason to restart it."""
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    @page.get("/readyz")
    def ready() -> ResponseReturnValue:
        checks = watch.look(parts.database, migration=parts.migration, disk=parts.spool, now=parts.now)
        well = watch.is_ready(checks)
        said: dict[str, object] = {"ready": well}
        if _may_look(parts, request):
            said["at"] = parts.now.isoformat()
            said["checks"] = [
                {"name": check.name, "standing": check.standing.value, "says": check.says} for check in checks
            ]
        return said, 200 if well else 503

    @page.get("/metrics")
    def metrics() -> ResponseReturnValue:
        if not _may_look(parts, request):
            abort(404)
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(_Read(parts)), content_type=content_type)

    return page


class _Read(Collector):
    """Reads everything anew at each scrape: no process keeps a figure of its own, so it matters not which answers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        for figure in watch.figures(self._parts.database, disk=self._parts.spool, now=self._parts.now):
            yield _family(figure)


def _family(figure: Figure) -> Metric:
    kind = CounterMetricFamily if figure.rises else GaugeMetricFamily
    family = kind(figure.name, figure.means, labels=figure.labels)
    for labels, value in figure.values.items():
        family.add_metric(labels, value)
    return family


def _may_look(parts: Parts, asked: Request) -> bool:
    """With the token when there is one; else from this machine only, and not through a proxy on it."""
    if parts.metrics_token:
        given = asked.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {parts.metrics_token}".encode())
    return (
        not any(header in asked.headers for header in _OF_A_PROXY)
        and _is_this_machine(asked.remote_addr or "")
        # A proxy that adds nothing still passes on the name the visitor asked for.
        and _is_this_machine(_asked_for(asked))
    )


def _asked_for(asked: Request) -> str:
    """The host's name as the visitor's browser gave it, without its port."""
    try:
        return urlsplit(f"//{asked.host}").hostname or ""
    except ValueError:
        return ""


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
