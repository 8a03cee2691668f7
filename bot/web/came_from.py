"""Where a request came from, and with which browser, as far as that can be believed."""

import re
from ipaddress import IPv6Address, ip_address, ip_network

from flask import Request

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("CrOS", "Chromebook"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


def came_from(asked: Request, proxies: int) -> str:
    """The visitor's address. Anybody may write X-Forwarded-For: only what our own *proxies* added is believed.

    Of IPv6 it is the network of 64 bits, since one household may have all the others in it.
    """
    address = asked.remote_addr or ""
    if proxies:
        said = [each.strip() for each in ",".join(asked.headers.getlist("X-Forwarded-For")).split(",")]
        # Each proxy adds the address of whoever asked it, at the end.
        address = said[-proxies] if len(said) >= proxies else address
    try:
        found = ip_address(address.strip("[]"))
    except ValueError:
        return asked.remote_addr or "unknown"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ip_network((int(found), 64), strict=False))
    return str(found)


def browser_said(user_agent: str) -> str:
    """A browser as people call it: "Firefox on Windows"; "" when it does not say."""
    browser = next((name for mark, name in _BROWSERS if re.search(rf"\b{mark}", user_agent)), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system
