"""What the program knows in codes, as staff read it: plain sentences, never a machine's word."""

from bot.consent import Refusal
from bot.handoffs import WHY
from bot.store.tables import CallOutcome, ConsentKind, Delivery, TextState
from bot.timeline.entries import WeWrote
from bot.vocabulary import Barrier, Outcome, Owner, Role, Urgency

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

CALL = {
    CallOutcome.REACHED: "Reached the family",
    CallOutcome.VOICEMAIL: "Left a voicemail",
    CallOutcome.NO_ANSWER: "No answer",
    CallOutcome.WRONG_NUMBER: "Wrong number",
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
