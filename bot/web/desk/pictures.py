"""A photo that a family sent from its chat page, for the staff of its school."""

from flask import Blueprint, Response, abort

from bot import chat
from bot.access import Act
from bot.store.tables import PictureType
from bot.web import guard
from bot.web.parts import Parts

_ENDING = {
    PictureType.JPEG: "jpg",
    PictureType.PNG: "png",
    PictureType.WEBP: "webp",
    PictureType.HEIC: "heic",
}


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/picture/<int:picture_id>", endpoint="picture")
    @guard.needs(Act.READ)
    def one(picture_id: int) -> Response:
        with parts.database.begin() as session:
            found = chat.picture(session, picture_id, guard.me().schools)
        if found is None:
            abort(404)
        # Most browsers cannot draw HEIC; everything else opens where it was clicked.
        how = "attachment" if found.content_type is PictureType.HEIC else "inline"
        name = f"photo-{picture_id}.{_ENDING[found.content_type]}"
        return Response(
            found.content,
            content_type=found.content_type.value,
            headers={"Content-Disposition": f'{how}; filename="{name}"'},
        )
