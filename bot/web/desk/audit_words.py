"""The acts of the audit log, as people say them."""

AUDITED = {
    "sign_in": "Signed in",
    "sign_in_held": "Sign-in held back after too many tries",
    "sign_out": "Signed out",
    "end_sessions": "Signed out other browsers",
    "set_password": "Set a password",
    "make_password_link": "Made a link for a password",
    "second_factor_on": "Switched a second factor on",
    "second_factor_off": "Switched a second factor off",
    "recovery_code_used": "Used a recovery code",
    "identity_bound": "Joined an account to the district's sign-in",
    "identity_forgotten": "Let an account at the district go",
    "add_staff": "Added a staff member",
    "disable_staff": "Disabled a staff member",
    "enable_staff": "Enabled a staff member",
    "change_role": "Changed a role",
    "assign_schools": "Changed the schools of a staff member",
    "stop_texts": "Stopped every text",
    "let_texts_go": "Let the texts go on",
    "approve_file": "Let a school's file go on",
    "reject_file": "Rejected a school's file",
    "undo_import": "Took an import back",
    "release_school": "Let a held school's texts go on",
    "keep_school_held": "Kept a school held",
    "take": "Took a family",
    "reply": "Replied to a family",
    "log_call": "Logged a call",
    "return_to_bot": "Returned a family to the bot",
    "resolve": "Resolved a family's case",
    "no_more_texts": "Stopped the texts to a number",
    "texts_again": "Allowed texts to a number again",
    "number_confirmed": "Confirmed a number",
    "list_exported": "Took the student list along as a file",
    "reports_exported": "Took the reports along as a file",
    "small_groups_shown": "Showed groups under ten in the reports",
    "small_groups_hidden": "Hid groups under ten in the reports again",
    "mute_child": "Muted texts about a child",
    "unmute_child": "Allowed texts about a child again",
    "partner_added": "Added a partner",
    "partner_changed": "Changed a partner",
    "referral_opened": "Opened a referral",
    "referral_step": "Moved a referral on",
    "device_added": "Put a device on the list",
    "device_changed": "Changed a device",
    "device_issued": "Issued a device",
    "device_returned": "Took a device back",
    "note_written": "Wrote a note",
    "note_changed": "Changed a note",
    "note_read": "Read a restricted note",
    "plan_written": "Wrote a plan",
}


def audited(act: str) -> str:
    """An act as people say it; one without a sentence of its own by its name."""
    return AUDITED.get(act) or act.replace("_", " ").capitalize()


def of_code(words: str) -> str:
    """What was before or after: a code without its underscores, anything else as it is."""
    code, colon, rest = words.partition(":")
    return code.replace("_", " ") + colon + rest if code.isidentifier() else words
