"""What the program knows in codes, as staff read it: plain sentences, never a machine's word."""

from collections.abc import Mapping
from enum import StrEnum

from bot.casework.plausible import Mark
from bot.consent import Refusal
from bot.handoffs import WHY, Handed
from bot.store.tables import (
    CallOutcome,
    ConsentKind,
    DayChange,
    Delivery,
    DeviceKind,
    DeviceState,
    FileState,
    FileWay,
    HoldState,
    PassedOn,
    ReferralOutcome,
    ReferralState,
    TextState,
)
from bot.timeline.beside import Attended
from bot.timeline.entries import WeWrote
from bot.today import Group
from bot.vocabulary import Barrier, Outcome, Owner, PartOfDay, Role, Service, Urgency, VisitOutcome

URGENCY = {
    Urgency.P0: "Now",
    Urgency.P1: "Today",
    Urgency.P2: "Next school day",
    Urgency.P3: "This week",
}

ROLE = {
    Role.SPECIALIST: "specialist",
    Role.SUPERVISOR: "supervisor",
    Role.DISTRICT_ADMINISTRATOR: "district administrator",
    Role.AUDITOR: "auditor, reads only",
}

# What somebody who opens such a case should do first, where it does not go without saying.
_FIRST_STEP = {
    "danger": "Read the words, call the family now, and follow the safety plan.",
    "whereabouts": "Find out where the student is, now, and call the family.",
    "tonight": "Call today: the family may have no place to sleep or nothing to eat tonight.",
    "at_school": "Check the class, and correct the mark if the student is there.",
    "may_mean_stop": "Automatic texts are held until you have decided.",
    "stopped_texts": "Texts are over for this number; calls and visits are not.",
    "unknown_number": "Find out who is writing before you speak of any student.",
}

BARRIER = {
    Barrier.ILLNESS: "Illness",
    Barrier.MEDICAL_APPOINTMENT: "Medical appointment",
    Barrier.MENTAL_HEALTH: "Mental health",
    Barrier.TRANSPORTATION: "Transportation",
    Barrier.DEVICE: "Computer or device",
    Barrier.INTERNET: "Internet",
    Barrier.HOUSING: "Housing",
    Barrier.FOOD_BASIC_NEEDS: "Food and basic needs",
    Barrier.CAREGIVING: "Caring for someone at home",
    Barrier.BEREAVEMENT: "A death in the family",
    Barrier.CLOTHING_HYGIENE: "Clothing, laundry, hygiene",
    Barrier.LANGUAGE_ACCESS: "Language",
    Barrier.STUDENT_WORK: "The student works",
    Barrier.SAFETY_BULLYING: "Safety or bullying",
    Barrier.SCHOOL_AVERSION: "Does not want to go to school",
    Barrier.DISCIPLINE: "Discipline or suspension",
    Barrier.FAMILY_TRAVEL: "Family travel",
    Barrier.RELIGIOUS_CULTURAL: "Religious or cultural day",
    Barrier.MOVED_TRANSFERRED: "Moved or changed school",
    Barrier.OVERSLEPT: "Overslept",
    Barrier.WEATHER: "Weather",
    Barrier.LEGAL_IMMIGRATION: "Legal matter",
    Barrier.ATTENDANCE_ERROR: "Attendance may be wrong",
}

ATTENDED = {
    Attended.PRESENT: "At school",
    Attended.LATE: "Late or left early",
    Attended.EXCUSED: "Excused absence",
    Attended.UNEXCUSED: "Unexcused absence",
    Attended.UNKNOWN: "Not known yet",
}

OUTCOME = {
    Outcome.NOT_CONTACTED: "Not texted",
    Outcome.HELD: "Held until a person decides",
    Outcome.UNREACHABLE: "No number works",
    Outcome.ATTEMPTED: "Texted, no answer yet",
    Outcome.REACHED_NO_REASON: "Answered, no reason yet",
    Outcome.WITH_A_PERSON: "With a staff member",
    Outcome.EXPLAINED: "Explained",
    Outcome.EXPLAINED_NEEDS_HELP: "Explained, needs help",
    Outcome.PRESENT_CORRECTED: "At school after all",
}

SERVICE = {
    Service.FOOD: "Food",
    Service.HOUSING: "Housing or shelter",
    Service.UTILITIES: "Heat, light and water bills",
    Service.TRANSPORTATION: "Rides",
    Service.HEALTH: "Health and dental care",
    Service.MENTAL_HEALTH: "Counseling",
    Service.GRIEF: "Grief support",
    Service.CLOTHING: "Clothing and laundry",
    Service.INTERNET: "Internet and devices",
    Service.CHILDCARE: "Child care",
    Service.EMPLOYMENT: "Work and training",
    Service.LANGUAGE: "English classes, interpreters",
    Service.LEGAL_AID: "Legal aid",
    Service.SAFETY: "Safety at home",
    Service.MENTORING: "Mentors, after-school programs",
    Service.OTHER: "Other help",
}

# How far a referral has come, and on the button that takes it there.
REFERRAL = {
    ReferralState.OFFERED: "Offered to the family",
    ReferralState.ACCEPTED: "The family wants it",
    ReferralState.SENT: "The partner knows",
    ReferralState.RECEIVED: "The help began",
    ReferralState.NOT_RECEIVED: "No help came",
    ReferralState.DECLINED: "The family does not want it",
    ReferralState.CLOSED: "Closed",
}
REFERRAL_STEP = {
    ReferralState.ACCEPTED: "The family says yes",
    ReferralState.SENT: "I told the partner",
    ReferralState.RECEIVED: "The help began; I keep an eye on it",
}
REFERRAL_OUTCOME = {
    ReferralOutcome.RECEIVED: "The help began",
    ReferralOutcome.NOT_RECEIVED: "Partner declined or never answered",
    ReferralOutcome.DECLINED: "The family did not want it",
}

DEVICE = {DeviceKind.LAPTOP: "Laptop", DeviceKind.HOTSPOT: "Hotspot", DeviceKind.CHARGER: "Charger"}
DEVICE_STATE = {
    DeviceState.IN_STOCK: "On the shelf",
    DeviceState.ISSUED: "With a student",
    DeviceState.BROKEN: "Broken",
    DeviceState.LOST: "Lost",
}
# In which condition it came back.
DEVICE_RETURNED = {
    DeviceState.IN_STOCK: "Came back, works",
    DeviceState.BROKEN: "Came back broken",
    DeviceState.LOST: "Lost, did not come back",
}

TIER = {
    1: "Tier 1: what every family gets",
    2: "Tier 2: early help",
    3: "Tier 3: help from several people",
}

# What the numbers of Today count; each opens its list.
GROUP: Mapping[StrEnum, str] = {
    Group.ABSENT: "Absent",
    Group.ACCOUNTED_FOR: "Accounted for",
    Group.OPEN: "Still open",
    Group.NOT_REACHED: "Not reached",
    Group.HELD: OUTCOME[Outcome.HELD],
}

DAY_CHANGE = {
    DayChange.CLOSED: "No school",
    DayChange.OPENS_LATE: "Late opening",
    DayChange.ENDS_EARLY: "Early dismissal",
}

CALL = {
    CallOutcome.REACHED: "Reached the family",
    CallOutcome.VOICEMAIL: "Left a voicemail",
    CallOutcome.NO_ANSWER: "No answer",
    CallOutcome.WRONG_NUMBER: "Wrong number",
}

VISIT = {
    VisitOutcome.MET_GUARDIAN: "Met the guardian",
    VisitOutcome.MET_OTHER_ADULT: "Met another adult",
    VisitOutcome.CARD_LEFT: "No answer, card left",
    VisitOutcome.ADDRESS_WRONG: "Address wrong or vacant",
    VisitOutcome.REFUSED: "Declined politely",
    VisitOutcome.UNSAFE: "Not safe, left",
    VisitOutcome.RESCHEDULED: "Asked for another day",
}

PART_OF_DAY = {
    PartOfDay.MORNING: "morning",
    PartOfDay.MIDDAY: "midday",
    PartOfDay.AFTERNOON: "afternoon",
    PartOfDay.EVENING: "evening",
}

# For supervisors, who ask before they think.
VISIT_MARK = {
    Mark.MORE_THAN_CAN_BE_DRIVEN: "More visits in one hour than can be driven",
    Mark.NO_SCHOOL_DAY: "On a day without school",
    Mark.SAME_WORDS: "The same note as another visit",
    Mark.BEFORE_IT_WAS_PLANNED: "Made before it was planned here",
}

VISIT_ACT = {
    "visit_planned": "planned it",
    "visit_changed": "changed the plan",
    "visit_cancelled": "cancelled it",
    "visit_logged": "logged the visit",
    "visit_thanked": "saw to the thank-you",
}

FILE_KIND = {"roster": "Roster", "attendance": "Attendance"}
FILE_STATE = {
    FileState.ASKS: "Waits for an answer",
    FileState.CHECKED: "Checked, waits for a go",
    FileState.HELD: "Held for approval",
    FileState.APPLIED: "Applied",
    FileState.REFUSED: "Refused",
    FileState.REJECTED: "Rejected",
    FileState.UNDONE: "Taken back",
}
FILE_WAY = {
    FileWay.COMMAND: "by command ({})",
    FileWay.FOLDER: "from the watched folder",
    FileWay.PUSH: "pushed by {}",
    FileWay.PAGE: "dropped here by {}",
}
FILE_CHANGES = {
    "schools": "Schools",
    "calendar_days": "Days of the calendar",
    "students": "Students",
    "guardians": "Guardians",
    "guardianships": "Links of guardians to students",
    "phones": "New phone numbers",
    "guardian_phones": "Guardians' numbers",
    "attendance_marks": "Attendance marks",
}
HOLD_STATE = {
    HoldState.RAISED: "Held",
    HoldState.KEPT: "Kept held",
    HoldState.RELEASED: "Let go on",
    HoldState.LIFTED: "Cleared by a newer file",
}
ENCODING = {"windows-1252": "Windows (Western Europe)", "mac-roman": "an older Macintosh"}
_STATES = {
    "present": "Present",
    "absent": "Absent",
    "tardy": "Tardy",
    "early_departure": "Left early",
    "partial": "There for a part of the day",
}
_EXCUSES = {
    "unexcused": "Unexcused",
    "excused": "Excused",
    "unknown": "Not explained yet",
    "exempt": "Exempt: not counted",
    "disciplinary": "Disciplinary",
}
# What a code, a state or an excuse of a school's file may mean.
CODE_MEANS = {
    "code": {
        "present": "Present",
        "absent unknown": "Absent, not explained yet",
        "absent unexcused": "Absent, unexcused",
        "absent excused": "Absent, excused",
        "absent disciplinary": "Absent, suspended",
        "absent exempt": "Absent, exempt: not counted",
        "tardy": "Tardy",
        "early_departure": "Left early",
        "partial": "There for a part of the day",
    },
    "state": _STATES,
    "excuse": _EXCUSES,
}
MARK_COLUMNS = {
    "The row": {
        "student": "Student's number",
        "day": "Day",
        "code": "Attendance code",
        "school": "School's id, as in the roster",
    }
}
LIST_COLUMNS = {
    "Student": {
        "student.id": "Student's number",
        "student.first_name": "Student's first name",
        "student.last_name": "Student's last name",
        "student.preferred_name": "Student's preferred name",
        "student.grade": "Grade",
        "student.school": "School",
    },
    **{
        f"Guardian {number}": {
            f"guardian{number}.{key}": f"{label} of guardian {number}"
            for key, label in {
                "name": "Whole name",
                "first_name": "First name",
                "last_name": "Last name",
                "relation": "Relation",
                "mobile": "Mobile number",
                "phone": "Phone number",
                "kind": "Kind of phone",
                "home": "Home number",
                "work": "Work number",
                "language": "Language",
                "custody": "Custody",
                "court_order": "Court order",
                "may_receive_texts": "May be texted",
                "lives_with": "Lives with the student",
                "order": "Order of contact",
                "id": "Id",
            }.items()
        }
        for number in range(1, 5)
    },
}

CONSENT = {
    ConsentKind.OPT_OUT: "No more texts to this number",
    ConsentKind.OPT_IN: "Texts to this number are wanted again",
    ConsentKind.WRONG_NUMBER: "This number belongs to somebody else",
    ConsentKind.HOLD: "Automatic texts are held until a person has read this",
    ConsentKind.RELEASE: "A person has read it: automatic texts go on",
    ConsentKind.SUSPEND: "The carrier gave this number up: no texts until the family confirms it",
    ConsentKind.CONFIRM: "The family confirmed this number",
    ConsentKind.MUTE: "No such texts about this student",
    ConsentKind.UNMUTE: "Texts about this student are wanted again",
}

_OWNER = {
    Owner.BOT: "The program answers this family",
    Owner.NOBODY: "Nobody is answering this family yet",
}

# What the provider's codes mean for a family, where one means something of its own (rules 1.9). The
# codes for one cause change now and then, so that every other code falls into the two plain ones.
_BLOCKED = "Blocked by the family"
_BY_CODE = {
    "21610": "Not sent: the family opted out of texts",
    "21211": "Not sent: this is not a valid number",
    "21614": "Not sent: landline",
    "21635": "Not sent: landline",
    "30003": "May not have arrived: the phone is off or has no signal",
    "30004": _BLOCKED,
    "30005": "Did not arrive: the number is not in service",
    "30006": "Did not arrive: landline",
    "30007": "Did not arrive: stopped by the phone company",
    "63014": _BLOCKED,
}


def why(code: str) -> str:
    """Why a family waits; a flow may name a reason that has no sentence yet."""
    return WHY.get(code) or code.replace("_", " ").capitalize()


_JOB = {
    "worker": "The worker is alive",
    "morning": "The morning's questions",
    "ladder": "The ladder to those who did not answer",
    "texts in doubt": "Texts in doubt settled",
    "texts lost on the way": "Families' texts lost on the way",
    "left lying": "Families left lying come back",
    "not before tomorrow": "Told: not before tomorrow",
    "measures": "Measures kept",
    "lines": "Kinds of telephone lines",
    "numbers given up": "Numbers given up by carriers",
    "copies": "The provider's copies emptied",
}


def job(name: str) -> str:
    """A named job of the worker, whether its tick says that it ran or whose turn it was."""
    plain = name.removeprefix("turn: ")
    return _JOB.get(plain) or plain.capitalize()


def counted(what: Group | Outcome) -> str:
    """What a number of the ledger or of Today counts."""
    return GROUP[what] if isinstance(what, Group) else OUTCOME[what]


def handed(how: Handed, at: str) -> str:
    """How a family came to where it is, for whoever has it next."""
    match how.kind:
        case PassedOn.TRANSFERRED:
            return f"Handed on by {how.by_name}, {at}"
        case PassedOn.RELEASED:
            return f"Put back by {how.by_name}, {at}"
        case PassedOn.CAME_BACK:
            return f"Came back from {how.from_name}, {at}"


def first_step(code: str) -> str:
    return _FIRST_STEP.get(code, "")


def owner(who: Owner, name: str) -> str:
    return _OWNER.get(who) or f"{name} is talking with this family"


def delivery(text: WeWrote) -> str:
    """What became of a text to a family, so far as anybody knows."""
    match text.state:
        case TextState.QUEUED | TextState.CLAIMED:
            return "On its way"
        case TextState.NOT_SENT:
            return f"Not sent: {_not_sent(text.why_not)}"
        case TextState.REFUSED:
            return _BY_CODE.get(text.error_code, "Not sent: the phone service refused it")
        case TextState.UNKNOWN:
            return "May not have arrived"
        case TextState.SENT:
            return _received(text)


def went_wrong(text: WeWrote) -> bool:
    """Whether staff should notice that this text did not do its work."""
    if text.state in (TextState.QUEUED, TextState.CLAIMED):
        return False
    return text.state is not TextState.SENT or text.delivery in (Delivery.UNDELIVERED, Delivery.FAILED)


def _received(text: WeWrote) -> str:
    match text.delivery:
        case Delivery.DELIVERED:
            return "Delivered"
        case Delivery.UNDELIVERED | Delivery.FAILED:
            return _BY_CODE.get(text.error_code, "May not have arrived")
        case _:
            # "sent" may be a carrier's last word for ever (TW-54).
            return "Sent, not confirmed"


def _not_sent(why_not: str) -> str:
    match why_not:
        case Refusal.TOO_LATE | Refusal.OUTSIDE_WINDOW:
            return "the window closed"
        case "overtaken":
            return "the talk went on before it left"
        case _ if why_not in set(Refusal):
            return Refusal(why_not).sentence
        case _:
            return why_not.replace("_", " ")
