"""Who may do what at the desk: one table of acts and roles, and one question, `can`."""

from collections.abc import Collection
from enum import StrEnum

from bot.vocabulary import Role


class Act(StrEnum):
    """What a page or a form of the desk does. Every route names one (web/guard.py)."""

    READ = "read"  # families, students, queue, ledger and reports of one's own schools
    HELP = "help"  # take, answer, call, visit, refer, write notes: the work with a family
    EXPORT = "export"  # carry a list out of the desk as a file
    SMALL_GROUPS = "small_groups"  # see the groups of fewer than ten in the reports of one's schools
    IMPORT = "import"  # drop a file and look at what it would change
    APPROVE = "approve"  # let a held file or morning go on, or take an import back
    CLOSE = "close"  # no school today, a late opening
    STOP = "stop"
    LET_GO = "let_go"
    PARTNERS = "partners"  # change the partner directory and the list of devices
    REPLIES = "replies"  # write or review the texts that staff may choose from
    STAFF = "staff"  # add, disable and reset staff members, end their sessions
    AUDIT = "audit"  # read who did what
    OWN_ACCOUNT = "own_account"  # one's own password, second factor and sessions


_EVERYONE = frozenset(Role)
_HELPERS = frozenset({Role.SPECIALIST, Role.SUPERVISOR, Role.DISTRICT_ADMINISTRATOR})
_LEADERS = frozenset({Role.SUPERVISOR, Role.DISTRICT_ADMINISTRATOR})

_WHO: dict[Act, frozenset[Role]] = {
    Act.READ: _EVERYONE,
    Act.HELP: _HELPERS,
    Act.EXPORT: _EVERYONE,
    Act.SMALL_GROUPS: _LEADERS,
    Act.IMPORT: _HELPERS,
    Act.APPROVE: _LEADERS,
    Act.CLOSE: _LEADERS,
    # A stop too many costs minutes, a wrong text to a thousand families cannot be taken back.
    Act.STOP: _HELPERS,
    Act.LET_GO: _LEADERS,
    Act.PARTNERS: _LEADERS,
    Act.REPLIES: _LEADERS,
    Act.STAFF: frozenset({Role.DISTRICT_ADMINISTRATOR}),
    Act.AUDIT: frozenset({Role.SUPERVISOR, Role.DISTRICT_ADMINISTRATOR, Role.AUDITOR}),
    Act.OWN_ACCOUNT: _EVERYONE,
}

# What is said of a family of no school: anybody at the desk may find out whose number it is.
_OF_NO_SCHOOL = None


def can(role: Role, schools: Collection[int], act: Act, school_id: int | None = _OF_NO_SCHOOL) -> bool:
    """Whether somebody of this role, who sees these *schools*, may do this about something of *school_id*.

    Without a school the question is whether the role may do it at all.
    """
    return role in _WHO[act] and (school_id is None or school_id in schools)
