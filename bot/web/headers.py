"""What every answer tells the browser: run nothing, load nothing and send nothing that is not ours."""

from flask import Flask, Response, request

# Images as data: Bootstrap draws its arrows and check marks that way. No inline script or style at all.
_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; object-src 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)

_ALWAYS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Never to another site: addresses here contain a family's number in the desk's own count.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# The address of a family's chat page is its key: nobody may pass it on, and no search engine keep it.
_FOR_FAMILIES = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}


def install(app: Flask, *, https: bool) -> None:
    @app.after_request
    def _add(response: Response) -> Response:
        response.headers.update(_ALWAYS)
        if request.blueprint == "chat":
            response.headers.update(_FOR_FAMILIES)
        if https:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if request.endpoint != "static":
            # A family's words must not stay behind in the browser of a shared laptop.
            response.headers["Cache-Control"] = "no-store"
        return response
