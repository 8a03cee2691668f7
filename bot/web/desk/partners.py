"""The partner directory at the desk: read by everybody, changed by those who lead, and as a file."""

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot.access import Act
from bot.casework import partner_files, partners
from bot.casework.partners import PartnerEntry
from bot.casework.written import CaseworkRefused
from bot.export import CSV
from bot.vocabulary import Service
from bot.web import guard, words
from bot.web.desk import sent
from bot.web.desk.cases import Typed, refused
from bot.web.parts import Parts

_TEXTS = ("name", "phone", "email", "languages", "area", "hours", "note")


def add(page: Blueprint, parts: Parts) -> None:
    @page.get("/partners", endpoint="partners")
    @guard.needs(Act.READ)
    def several() -> ResponseReturnValue:
        return _list(parts)

    @page.get("/partners.csv")
    @guard.needs(Act.EXPORT)
    def partners_file() -> ResponseReturnValue:
        with parts.database.look() as session:
            content = partner_files.as_file(session)
        return Response(
            content, headers={"Content-Type": CSV, "Content-Disposition": "attachment; filename=partners.csv"}
        )

    @page.post("/partners/file")
    @guard.needs(Act.PARTNERS)
    def read_partners() -> ResponseReturnValue:
        return _read(parts)

    @page.get("/partner/new")
    @guard.needs(Act.PARTNERS)
    def new_partner() -> ResponseReturnValue:
        return _form(parts, 0)

    @page.post("/partner/new")
    @guard.needs(Act.PARTNERS)
    def add_partner() -> ResponseReturnValue:
        return _keep(parts, 0)

    @page.get("/partner/<int:partner_id>")
    @guard.needs(Act.PARTNERS)
    def partner(partner_id: int) -> ResponseReturnValue:
        return _form(parts, partner_id)

    @page.post("/partner/<int:partner_id>")
    @guard.needs(Act.PARTNERS)
    def change_partner(partner_id: int) -> ResponseReturnValue:
        return _keep(parts, partner_id)


def _list(parts: Parts, wrong: str = "", left_out: tuple[str, ...] = ()) -> str:
    me = guard.me()
    service, retired = sent.member(Service, "service"), request.args.get("show") == "retired"
    with parts.database.look() as session:
        listed = partners.directory(session, service=service, find=sent.words("find"), retired=retired)
    return render_template(
        "desk/partners.html",
        partners=listed,
        services=Service,
        service=service,
        retired=retired,
        find=sent.words("find"),
        may_change=me.can(Act.PARTNERS),
        wrong=wrong,
        left_out=left_out,
        words=words,
    )


def _read(parts: Parts) -> ResponseReturnValue:
    file = request.files.get("file")
    if file is None or not file.filename:
        return _list(
            parts, "Choose a CSV file first; download the directory to see what one looks like."
        ), 422
    try:
        with parts.database.begin() as session:
            done = partner_files.read(session, file.read(), staff_id=guard.me().id, now=parts.now)
    except CaseworkRefused as why:
        return _list(parts, str(why)), 422
    kept = f"{done.kept} {'partner was' if done.kept == 1 else 'partners were'} kept"
    if done.refused:
        return _list(parts, f"{kept}; {len(done.refused)} rows were not:", done.refused), 422
    flash(f"{kept}.")
    return redirect(url_for("desk.partners"), 303)


def _form(parts: Parts, partner_id: int, typed: Typed | None = None) -> str:
    entry = PartnerEntry("", ())
    if partner_id:
        with parts.database.look() as session:
            found = partners.partner(session, partner_id)
        if found is None:
            abort(404)
        entry = found
    sent_back = typed is not None
    return render_template(
        "desk/partner.html",
        partner=entry,
        services=Service,
        chosen=set(request.form.getlist("service")) if sent_back else set(entry.services),
        active=sent.ticked("active") if sent_back else entry.active,
        typed=typed or Typed(values={name: getattr(entry, name) for name in _TEXTS}),
        words=words,
    )


def _keep(parts: Parts, partner_id: int) -> ResponseReturnValue:
    chosen = [each for each in request.form.getlist("service") if each in set(Service)]
    try:
        with parts.database.begin() as session:
            if partner_id and partners.partner(session, partner_id) is None:
                abort(404)
            entry = PartnerEntry(
                **{name: request.form.get(name, "") for name in _TEXTS},
                services=tuple(Service(each) for each in chosen),
                active=not partner_id or sent.ticked("active"),
                id=partner_id,
            )
            partners.keep(session, entry, staff_id=guard.me().id, now=parts.now)
    except CaseworkRefused as why:
        return _form(parts, partner_id, refused(why)), 422
    flash(f"{entry.name.strip()} is in the directory.")
    return redirect(url_for("desk.partners"), 303)
