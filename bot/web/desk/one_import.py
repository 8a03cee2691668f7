"""One file's page: what it would change or changed, what a person must say of it, and what may be done."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from bot import staff
from bot.access import Act
from bot.errors import PresenteError
from bot.roster.incoming import (
    DecisionRefused,
    Filed,
    answer,
    approve,
    asking,
    may_see,
    one,
    reject,
    report_csv,
    save_codes,
    save_columns,
    save_marks,
    undo,
)
from bot.store.tables import FileState
from bot.web import guard, times, words
from bot.web.desk.queue import zones_by_school
from bot.web.parts import Parts

_PROBLEMS_SHOWN = 40


def add(page: Blueprint, parts: Parts) -> None:
    _reading(page, parts)
    _deciding(page, parts)
    _answering(page, parts)


def _reading(page: Blueprint, parts: Parts) -> None:
    @page.get("/import/<int:file_id>")
    @guard.needs(Act.READ)
    def one_import(file_id: int) -> ResponseReturnValue:
        return _show(parts, _file(parts, file_id))

    @page.get("/import/<int:file_id>/report.csv")
    @guard.needs(Act.EXPORT)
    def import_report(file_id: int) -> ResponseReturnValue:
        file = _file(parts, file_id)
        with parts.database.look() as session:
            body = report_csv(session, file.id)
        headers = {"Content-Disposition": f'attachment; filename="report-of-file-{file.id}.csv"'}
        return Response(body, mimetype="text/csv", headers=headers)


def _deciding(page: Blueprint, parts: Parts) -> None:
    @page.post("/import/<int:file_id>/apply")
    @guard.needs(Act.IMPORT)
    def apply_import(file_id: int) -> ResponseReturnValue:
        me, file = guard.me(), _file(parts, file_id)
        if file.state is FileState.HELD and not me.can(Act.APPROVE):
            abort(403)
        because = request.form.get("because", "")
        try:
            received = approve(
                parts.database,
                file.id,
                by=me.name,
                staff_id=me.id,
                because=because,
                office=parts.office,
                now=parts.now,
            )
        except DecisionRefused as why:
            return _show(parts, _file(parts, file_id), str(why), because), 409
        parts.wake()
        changed = received.report is not None and not received.report.changed_nothing
        flash("Done. The file is applied." if changed else "Done. The file said nothing new.")
        return _back(file_id)

    @page.post("/import/<int:file_id>/reject")
    @guard.needs(Act.IMPORT)
    def reject_import(file_id: int) -> ResponseReturnValue:
        me, file = guard.me(), _file(parts, file_id)
        if file.staff_id != me.id and not me.can(Act.APPROVE):
            abort(403)
        because = request.form.get("because", "")
        try:
            reject(parts.database, file.id, by=me.name, staff_id=me.id, because=because, now=parts.now)
        except DecisionRefused as why:
            return _show(parts, _file(parts, file_id), str(why), because), 409
        flash("Done. The file changes nothing, and what it held is deleted.")
        return _back(file_id)

    @page.post("/import/<int:file_id>/undo")
    @guard.needs(Act.APPROVE)
    def undo_import(file_id: int) -> ResponseReturnValue:
        me, file = guard.me(), _file(parts, file_id)
        try:
            undo(parts.database, file.id, by=me.name, staff_id=me.id, now=parts.now)
        except PresenteError as why:
            return _show(parts, _file(parts, file_id), f"{why}".capitalize()), 409
        flash("Done. The roster is as it was before this file; what families chose since stays.")
        return _back(file_id)


def _answering(page: Blueprint, parts: Parts) -> None:
    @page.post("/import/<int:file_id>/encoding")
    @guard.needs(Act.IMPORT)
    def say_encoding(file_id: int) -> ResponseReturnValue:
        file = _file(parts, file_id)
        return _answered(parts, file, encoding=request.form.get("encoding", ""))

    @page.post("/import/<int:file_id>/columns")
    @guard.needs(Act.IMPORT)
    def point_at_columns(file_id: int) -> ResponseReturnValue:
        file = _file(parts, file_id)
        kind = "attendance" if request.form.get("kind") == "attendance" else "roster"
        try:
            _save_columns(parts, file, kind)
        except PresenteError as why:
            return _show(parts, file, f"{why}", kind=kind), 422
        return _answered(parts, file, kind=kind)

    @page.post("/import/<int:file_id>/codes")
    @guard.needs(Act.IMPORT)
    def say_codes(file_id: int) -> ResponseReturnValue:
        file, me = _file(parts, file_id), guard.me()
        added: dict[str, dict[str, str]] = {}
        for number, (which, said, _) in enumerate(file.found.get("unmapped", [])):
            means = request.form.get(f"code{number}", "")
            if means in words.CODE_MEANS.get(which, {}):
                added.setdefault(which, {})[said] = means
        if not added:
            return _show(parts, file, "Choose what at least one code means. Nothing was changed."), 422
        with parts.database.begin() as session:
            save_codes(session, file.found["mapping"], added, me.name, parts.now)
        if not file.waits:
            flash("Saved for the next file. Send this one again to take in the rows that were left out.")
            return _back(file_id)
        return _answered(parts, file)


def _back(file_id: int) -> ResponseReturnValue:
    return redirect(url_for("desk.one_import", file_id=file_id), 303)


def _file(parts: Parts, file_id: int) -> Filed:
    """The file, for those who may see it; for everybody else there is none."""
    me = guard.me()
    with parts.database.look() as session:
        file = one(session, file_id)
        if file is None or not may_see(session, file, me.schools, me.id):
            abort(404)
        return file


def _answered(parts: Parts, file: Filed, **said: object) -> ResponseReturnValue:
    try:
        answer(parts.database, file.id, office=parts.office, now=parts.now, **said)
    except PresenteError as why:
        return _show(parts, _file(parts, file.id), str(why)), 409
    return _back(file.id)


def _save_columns(parts: Parts, file: Filed, kind: str) -> None:
    me, name = guard.me(), request.form.get("name", "")
    with parts.database.look() as session:
        pointing = asking.pointing(session, file.id)
    chosen = {column: request.form.get(f"column{number}", "") for number, column in enumerate(pointing.shown)}
    if kind == "roster":
        written = asking.list_written(chosen, request.form.get("school", ""))
    else:
        day_format = request.form.get("day_format", "")
        written = asking.marks_written(
            name,
            chosen,
            day_format=day_format if day_format in asking.DAY_FORMATS else asking.DAY_FORMATS[0],
            everybody=request.form.get("rows") == "everybody",
            separator=pointing.separator,
        )
    save = save_columns if kind == "roster" else save_marks
    with parts.database.begin() as session:
        save(session, name, written, pointing.header, me.name, parts.now)


# --- the page ---------------------------------------------------------------------------------------------


def _show(parts: Parts, file: Filed, wrong: str = "", typed: str = "", kind: str = "") -> str:
    me = guard.me()
    with parts.database.look() as session:
        zone = zones_by_school(staff.schools_seen(session, me))[""]
        names = (
            asking.names_as_read(session, file.id, parts.office, parts.now) if file.asks == "encoding" else {}
        )
        pointing = _pointing(session, file, kind) if file.asks == "columns" and me.can(Act.IMPORT) else None
    found = file.found
    return render_template(
        "desk/import.html",
        file=file,
        kind=words.FILE_KIND.get(file.kind, "File"),
        state=words.FILE_STATE[file.state],
        how=_how(file, zone, parts.now),
        changes=[
            (words.FILE_CHANGES.get(table, table), change)
            for table, change in found.get("changes", {}).items()
        ],
        figures=list(found.get("figures", {}).items()),
        schools=found.get("schools", []),
        held={one["school"]: one["sentence"] for one in found.get("school_brakes", [])},
        problems=file.problems[:_PROBLEMS_SHOWN],
        problem_count=found.get("problem_count", 0),
        unmapped=[
            (which, said, count, words.CODE_MEANS[which]) for which, said, count in found.get("unmapped", [])
        ],
        names=names,
        encodings=words.ENCODING,
        pointing=pointing,
        needs_reason=file.state is FileState.HELD,
        ready=file.state in (FileState.CHECKED, FileState.HELD),
        may_apply=me.can(Act.IMPORT) and (file.state is FileState.CHECKED or me.can(Act.APPROVE)),
        may_reject=file.waits and me.can(Act.IMPORT) and (file.staff_id == me.id or me.can(Act.APPROVE)),
        may_undo=file.may_be_undone and me.can(Act.APPROVE),
        may_import=me.can(Act.IMPORT),
        may_export=me.can(Act.EXPORT),
        longest=500,
        wrong=wrong,
        typed=typed,
        form=request.form if wrong else {},
    )


def _how(file: Filed, zone: ZoneInfo, now: datetime) -> list[str]:
    """Its story in sentences: how it came, and who decided."""
    came = words.FILE_WAY[file.way].format(file.sent_by)
    said = [f"It came {times.said(file.received_at, zone, now)}, {came}."]
    if file.decided_at is not None:
        at = times.said(file.decided_at, zone, now)
        because = f": {file.because.rstrip('.')}" if file.because else ""
        said.append(f"{words.FILE_STATE[file.state]} {at} by {file.decided_by}{because}.")
    return said


def _pointing(session: Any, file: Filed, kind: str) -> dict[str, Any] | None:
    try:
        pointing = asking.pointing(session, file.id)
    except PresenteError:
        return None
    chosen = request.args.get("as", kind)
    if chosen not in ("roster", "attendance"):
        chosen = (
            "attendance" if file.kind == "attendance" or asking.looks_like_marks(pointing.shown) else "roster"
        )
    marks = chosen == "attendance"
    suggested = asking.suggested_marks(pointing.shown) if marks else asking.suggested_list(pointing.shown)
    stem = file.file_name.rpartition(".")[0] or file.file_name
    return {
        "kind": chosen,
        "columns": [
            (number, column, suggested.get(column, "")) for number, column in enumerate(pointing.shown)
        ],
        "rows": pointing.rows,
        "options": words.MARK_COLUMNS if marks else words.LIST_COLUMNS,
        "day_formats": asking.DAY_FORMATS,
        "day_format": asking.suggested_days(
            pointing, next((column for column, meant in suggested.items() if meant == "day"), "")
        ),
        "name": stem[:60],
    }
