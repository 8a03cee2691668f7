"""The web: the provider's two webhooks, the staff's desk, the family's chat page, the simulated phones."""

from typing import Any

from flask import Flask
from flask_wtf import CSRFProtect
from werkzeug.routing import IntegerConverter, Map

from bot.phone import as_dialled
from bot.web import chat, desk, errors, guard, headers, phones, push, sign_in, watched, webhooks
from bot.web.desk import imports, replying
from bot.web.parts import Parts

__all__ = ["Parts", "create_app"]

# The provider's largest post and a staff member's longest reply are far below this.
_LARGEST_BODY = 64 * 1024


class _Id(IntegerConverter):
    """A number in an address that the databases can hold; a larger one is nobody's, and no mistake of ours."""

    def __init__(self, within: Map, *given: Any, **more: Any) -> None:
        super().__init__(within, *given, **{"max": 2**31 - 1, **more})


def create_app(parts: Parts) -> Flask:
    """Build the pages. Every one needs a signed-in staff member unless guard.py names it as open."""
    if not parts.secret_key:
        raise ValueError("the desk needs a secret key to sign its cookies; set PRESENTE_SECRET_KEY")
    app = Flask(__name__)
    app.url_map.converters["int"] = _Id
    app.config.update(
        SECRET_KEY=parts.secret_key,
        MAX_CONTENT_LENGTH=_LARGEST_BODY,
        SESSION_COOKIE_NAME="presente",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=parts.public_url.startswith("https://"),
        # A desk page stays open all morning; its forms are good as long as its session.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters["as_dialled"] = as_dialled
    headers.install(app, https=parts.public_url.startswith("https://"))
    # Before the CSRF check: a form sent after the session ended leads to the sign-in page, not to an error.
    guard.install(app, parts)
    imports.allow_large_files(app)
    replying.allow_long_drafts(app)
    csrf = CSRFProtect(app)
    errors.install(app, parts.script.texts)

    from_families = chat.pages(parts)
    csrf.exempt(from_families)  # the unguessable address is the token, so that no cookie is needed
    app.register_blueprint(from_families)
    from_systems = push.pages(parts)
    csrf.exempt(from_systems)  # a token in a header, which no other site's form can send
    app.register_blueprint(from_systems)
    app.register_blueprint(watched.pages(parts))
    app.register_blueprint(sign_in.pages(parts))
    app.register_blueprint(desk.pages(parts))
    if parts.simulated_phones:
        app.register_blueprint(phones.pages(parts))
    app.wsgi_app = webhooks.Webhooks(parts, app.wsgi_app)  # type: ignore[method-assign]
    return app
