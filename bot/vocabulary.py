"""The field's closed lists: barriers, intents, urgencies, queues, outcomes, and what a text is for."""

from enum import StrEnum


class Barrier(StrEnum):
    """Why a student could not come. What each code leads to stands in flows/barriers.yaml."""

    ILLNESS = "illness"
    MEDICAL_APPOINTMENT = "medical_appointment"
    MENTAL_HEALTH = "mental_health"
    TRANSPORTATION = "transportation"
    DEVICE = "device"
    INTERNET = "internet"
    HOUSING = "housing"
    FOOD_BASIC_NEEDS = "food_basic_needs"
    CAREGIVING = "caregiving"
    BEREAVEMENT = "bereavement"
    CLOTHING_HYGIENE = "clothing_hygiene"
    LANGUAGE_ACCESS = "language_access"
    STUDENT_WORK = "student_work"
    SAFETY_BULLYING = "safety_bullying"
    SCHOOL_AVERSION = "school_aversion"
    DISCIPLINE = "discipline"
    FAMILY_TRAVEL = "family_travel"
    RELIGIOUS_CULTURAL = "religious_cultural"
    MOVED_TRANSFERRED = "moved_transferred"
    OVERSLEPT = "overslept"
    WEATHER = "weather"
    LEGAL_IMMIGRATION = "legal_immigration"
    ATTENDANCE_ERROR = "attendance_error"


class Service(StrEnum):
    """What a partner outside the school helps with; which barriers each answers stands in casework/partners.py."""

    FOOD = "food"
    HOUSING = "housing"
    UTILITIES = "utilities"
    TRANSPORTATION = "transportation"
    HEALTH = "health"
    MENTAL_HEALTH = "mental_health"
    GRIEF = "grief"
    CLOTHING = "clothing"
    INTERNET = "internet"
    CHILDCARE = "childcare"
    EMPLOYMENT = "employment"
    LANGUAGE = "language"
    LEGAL_AID = "legal_aid"
    SAFETY = "safety"
    MENTORING = "mentoring"
    OTHER = "other"


class Intent(StrEnum):
    """What a family's text is for; exactly one leads, by the order of conversation.md."""

    GIVE_REASON = "give_reason"
    ASK_FOR_PERSON = "ask_for_person"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP_KEYWORD = "help_keyword"
    WRONG_NUMBER = "wrong_number"
    CHANGE_LANGUAGE = "change_language"
    AFFIRM = "affirm"
    DENY = "deny"
    THANKS = "thanks"
    QUESTION = "question"
    CRISIS = "crisis"
    CHILD_IS_AT_SCHOOL = "child_is_at_school"
    UNCLEAR = "unclear"


class Keyword(StrEnum):
    """A word with a legal meaning when it is the whole text (TW-90, LAW-12)."""

    STOP = "stop"
    START = "start"
    HELP = "help"


class Urgency(StrEnum):
    """How soon a person must act: P0 now, P1 this school day, P2 the next, P3 within five."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


class Queue(StrEnum):
    """Whose list a handoff waits in."""

    SAFETY = "safety"
    ENGAGEMENT = "engagement"
    FAMILY_SUPPORT = "family_support"
    TRANSPORTATION = "transportation"
    TECHNOLOGY = "technology"
    HOMELESS_LIAISON = "homeless_liaison"
    SOCIAL_WORK = "social_work"
    ADMINISTRATION = "administration"
    ATTENDANCE_OFFICE = "attendance_office"
    REGISTRAR = "registrar"

    @property
    def label(self) -> str:
        """As staff read it: "Homeless liaison"."""
        return self.value.replace("_", " ").capitalize()


class Outcome(StrEnum):
    """Where the ledger stands for one absent student and school day; exactly one is current."""

    NOT_CONTACTED = "not_contacted"
    HELD = "held"
    UNREACHABLE = "unreachable"
    ATTEMPTED = "attempted"
    REACHED_NO_REASON = "reached_no_reason"
    WITH_A_PERSON = "with_a_person"
    EXPLAINED = "explained"
    EXPLAINED_NEEDS_HELP = "explained_needs_help"
    PRESENT_CORRECTED = "present_corrected"


class NotContacted(StrEnum):
    """Why a family was not texted; stands beside Outcome.NOT_CONTACTED and in the dry run."""

    ALREADY_EXCUSED = "already_excused"
    NO_GUARDIAN = "no_guardian"
    NO_NUMBER = "no_number"
    NO_CONTACT_ALLOWED = "no_contact_allowed"
    OPTED_OUT = "opted_out"
    WRONG_NUMBER = "wrong_number"
    ALREADY_ASKED = "already_asked"
    OUTSIDE_WINDOW = "outside_window"
    TALKING_NOW = "talking_now"

    @property
    def sentence(self) -> str:
        """As the attendance office reads it."""
        return _NOT_CONTACTED[self]


_NOT_CONTACTED = {
    NotContacted.ALREADY_EXCUSED: "the absence is already excused",
    NotContacted.NO_GUARDIAN: "no guardian is on file",
    NotContacted.NO_NUMBER: "no guardian has a number that can be texted",
    NotContacted.NO_CONTACT_ALLOWED: "no guardian with a number may be texted (court order or no-text flag)",
    NotContacted.OPTED_OUT: "the family opted out of texts",
    NotContacted.WRONG_NUMBER: "the only number on file belongs to somebody else",
    NotContacted.ALREADY_ASKED: "the household was already asked today",
    NotContacted.OUTSIDE_WINDOW: "it is outside the hours in which families are texted",
    NotContacted.TALKING_NOW: "a staff member is already talking with the family",
}


class Purpose(StrEnum):
    """What an outbound text is for; decides its class of law (LAW-1 to LAW-4) and its turn in the queue."""

    SAFETY = "safety"
    CONSENT = "consent"
    REPLY = "reply"
    CHECK_IN = "check_in"
    REMINDER = "reminder"

    @property
    def rank(self) -> int:
        """Its strict class in the queue, lowest first: safety, an answer to a family, today's absence, the rest."""
        return _RANKS.get(self, 3)


_RANKS = {
    Purpose.SAFETY: 0,
    Purpose.CONSENT: 1,
    Purpose.REPLY: 1,
    Purpose.CHECK_IN: 2,
    Purpose.REMINDER: 2,
}


class PurposeClass(StrEnum):
    """What a text is before the law (LAW-1 to LAW-4); never chosen to gain an exemption.

    Only an unexcused absence and an emergency may be texted without consent. Everything else that
    belongs to the school's mission needs a number that its holder gave to the school.
    """

    EMERGENCY = "emergency"
    UNEXCUSED_ABSENCE = "unexcused_absence"
    MISSION = "mission"


class Step(StrEnum):
    """A step of the ladder that leads to every absent student; the order is the ladder's (flows/ladder.yaml)."""

    REMINDER = "reminder"
    SECOND_GUARDIAN = "second_guardian"
    CALL_TASK = "call_task"
    EMAIL = "email"
    DAY_TWO = "day_two"
    HOME_VISIT = "home_visit"
    TEAM_REVIEW = "team_review"
    RETURN_TEXT = "return_text"


class Owner(StrEnum):
    """Who speaks in a conversation: one writer, never two (promise 3)."""

    BOT = "bot"
    STAFF = "staff"
    NOBODY = "nobody"


class Role(StrEnum):
    """What a staff member may do at the desk."""

    SPECIALIST = "specialist"
    SUPERVISOR = "supervisor"
    DISTRICT_ADMINISTRATOR = "district_administrator"
    AUDITOR = "auditor"


class TaskKind(StrEnum):
    """What a task at the desk is for (casework/tasks.py)."""

    NEXT_STEP = "next_step"
    CHECK_ATTENDANCE = "check_attendance"
    SECOND_VISIT = "second_visit"
    THANK_YOU = "thank_you"
    CALL = "call"
    REFERRAL = "referral"
    DEVICE = "device"
    PLAN = "plan"
    THRESHOLD = "threshold"
    NUMBER = "number"
    BARRIER = "barrier"
    OTHER = "other"

    @property
    def label(self) -> str:
        """As staff read it: "Check attendance"."""
        return self.value.replace("_", " ").capitalize()


class PartOfDay(StrEnum):
    """When on its day a home visit is planned; a family is promised no minute."""

    MORNING = "morning"
    MIDDAY = "midday"
    AFTERNOON = "afternoon"
    EVENING = "evening"


class VisitOutcome(StrEnum):
    """What became of a home visit (field.md C4)."""

    MET_GUARDIAN = "met_guardian"
    MET_OTHER_ADULT = "met_other_adult"
    CARD_LEFT = "card_left"
    ADDRESS_WRONG = "address_wrong"
    REFUSED = "refused"
    UNSAFE = "unsafe"
    RESCHEDULED = "rescheduled"
