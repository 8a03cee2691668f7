"""Headers and file names as exporters really write them, and the ones they mean."""

from collections.abc import Iterable

# What stands in files seen in the field, by the column of the standard (OR-13). OneRoster 1.0 had
# names of its own, and Ed-Fi's service drops a letter.
_KNOWN = {
    "dateLastModified": ("dataLastModified", "dateLastModifed", "lastModified"),
    "preferredGivenName": ("prefferedGivenName", "preferedGivenName", "preferredFirstName"),
    "agentSourcedIds": ("agents", "agentSourceIds", "agentSourcedId"),
    "grades": ("grade",),
    "userSourcedId": ("userId", "userSourceId"),
    "orgSourcedIds": ("orgSourcedId", "orgIds"),
    "orgSourcedId": ("orgId", "schoolSourcedId"),
    "schoolSourcedId": ("orgSourcedId", "schoolId"),
    "sourcedId": ("sourceId",),
    "parentSourcedId": ("parentOrgSourcedId",),
}


def written_as(column: str, header: Iterable[str]) -> str | None:
    """Which name of *header* stands for *column*: itself, a known misspelling, or the same in another case."""
    names = list(header)
    if column in names:
        return column
    for meant in (column, *_KNOWN.get(column, ())):
        alike = [name for name in names if name.casefold() == meant.casefold()]
        if len(alike) == 1:
            return alike[0]
    return None
