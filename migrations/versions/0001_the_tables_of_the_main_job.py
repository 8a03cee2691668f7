"""The tables of the main job"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", "day", name=op.f("pk_counters")),
    )
    op.create_table(
        "guardians",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sourced_id", sa.String(length=255), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column(
            "language",
            sa.Enum(
                "en",
                "es",
                "pt",
                "ht",
                "ar",
                "pl",
                "sq",
                "vi",
                "uk",
                "zh",
                name="language",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("language_chosen_by_family", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guardians")),
        sa.UniqueConstraint("sourced_id", name=op.f("uq_guardians_sourced_id")),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_table(
        "phones",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column(
            "line_type",
            sa.Enum(
                "unknown",
                "mobile",
                "landline",
                name="line_type",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "textable",
                "landline",
                "dead",
                "wrong_number",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("opted_out", sa.Boolean(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phones")),
        sa.UniqueConstraint("number", name=op.f("uq_phones_number")),
    )
    op.create_table(
        "schools",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sourced_id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("district", sa.Text(), nullable=False),
        sa.Column("zone", sa.String(length=60), nullable=False),
        sa.Column("morning_at", sa.Time(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schools")),
        sa.UniqueConstraint("sourced_id", name=op.f("uq_schools_sourced_id")),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=255), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "specialist",
                "supervisor",
                "district_administrator",
                "auditor",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_email")),
    )
    op.create_table(
        "calendar_days",
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("instructional", sa.Boolean(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_calendar_days_school_id_schools")
        ),
        sa.PrimaryKeyConstraint("school_id", "day", name=op.f("pk_calendar_days")),
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phone_id", sa.Integer(), nullable=False),
        sa.Column("guardian_id", sa.Integer(), nullable=True),
        sa.Column("school_id", sa.Integer(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("flow", sa.String(length=60), nullable=False),
        sa.Column("flow_version", sa.String(length=64), nullable=False),
        sa.Column(
            "language",
            sa.Enum(
                "en",
                "es",
                "pt",
                "ht",
                "ar",
                "pl",
                "sq",
                "vi",
                "uk",
                "zh",
                name="language",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column(
            "owner",
            sa.Enum(
                "bot", "staff", "nobody", name="owner", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("silence_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(owner = 'staff') = (staff_id IS NOT NULL)", name=op.f("ck_conversations_owner_is_named")
        ),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardians.id"], name=op.f("fk_conversations_guardian_id_guardians")
        ),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name=op.f("fk_conversations_phone_id_phones")),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_conversations_school_id_schools")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_conversations_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
    )
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_conversations_guardian_id"), ["guardian_id"], unique=False)
        batch_op.create_index("ix_conversations_phone_opened", ["phone_id", "opened_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_conversations_school_id"), ["school_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_conversations_silence_at"), ["silence_at"], unique=False)

    op.create_table(
        "guardian_phones",
        sa.Column("guardian_id", sa.Integer(), nullable=False),
        sa.Column("phone_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("given_by", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardians.id"], name=op.f("fk_guardian_phones_guardian_id_guardians")
        ),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name=op.f("fk_guardian_phones_phone_id_phones")),
        sa.PrimaryKeyConstraint("guardian_id", "phone_id", name=op.f("pk_guardian_phones")),
    )
    with op.batch_alter_table("guardian_phones", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_guardian_phones_phone_id"), ["phone_id"], unique=False)

    op.create_table(
        "job_runs",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_job_runs_school_id_schools")),
        sa.PrimaryKeyConstraint("job", "school_id", "day", name=op.f("pk_job_runs")),
    )
    op.create_table(
        "staff_schools",
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_staff_schools_school_id_schools")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_schools_staff_id_staff")),
        sa.PrimaryKeyConstraint("staff_id", "school_id", name=op.f("pk_staff_schools")),
    )
    op.create_table(
        "staff_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_staff_sessions_staff_id_staff")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_staff_sessions")),
    )
    with op.batch_alter_table("staff_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_staff_sessions_staff_id"), ["staff_id"], unique=False)

    op.create_table(
        "students",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sourced_id", sa.String(length=255), nullable=False),
        sa.Column("number", sa.String(length=255), nullable=False),
        sa.Column("given_name", sa.Text(), nullable=False),
        sa.Column("preferred_name", sa.Text(), nullable=False),
        sa.Column("family_name", sa.Text(), nullable=False),
        sa.Column("grade", sa.String(length=20), nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_students_school_id_schools")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_students")),
        sa.UniqueConstraint("sourced_id", name=op.f("uq_students_sourced_id")),
    )
    with op.batch_alter_table("students", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_students_number"), ["number"], unique=False)
        batch_op.create_index(batch_op.f("ix_students_school_id"), ["school_id"], unique=False)

    op.create_table(
        "absences",
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "not_contacted",
                "held",
                "unreachable",
                "attempted",
                "reached_no_reason",
                "with_a_person",
                "explained",
                "explained_needs_help",
                "present_corrected",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "not_contacted",
            sa.Enum(
                "already_excused",
                "no_guardian",
                "no_number",
                "no_contact_allowed",
                "opted_out",
                "wrong_number",
                "already_asked",
                "outside_window",
                "talking_now",
                name="not_contacted",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(outcome = 'not_contacted') = (not_contacted IS NOT NULL)", name=op.f("ck_absences_reason_given")
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_absences_school_id_schools")),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_absences_student_id_students")
        ),
        sa.PrimaryKeyConstraint("student_id", "day", name=op.f("pk_absences")),
    )
    with op.batch_alter_table("absences", schema=None) as batch_op:
        batch_op.create_index("ix_absences_day_school", ["day", "school_id"], unique=False)

    op.create_table(
        "attendance_marks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "present",
                "absent",
                "tardy",
                "early_departure",
                "partial",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "excuse",
            sa.Enum(
                "excused",
                "unexcused",
                "unknown",
                "exempt",
                "disciplinary",
                name="excuse",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_attendance_marks_import_id_imports")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_attendance_marks_school_id_schools")
        ),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_attendance_marks_student_id_students")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attendance_marks")),
    )
    with op.batch_alter_table("attendance_marks", schema=None) as batch_op:
        batch_op.create_index("ix_attendance_marks_day_school", ["day", "school_id"], unique=False)
        batch_op.create_index(
            "uq_attendance_marks_current",
            ["student_id", "day"],
            unique=True,
            sqlite_where=sa.text("superseded_at IS NULL"),
            postgresql_where=sa.text("superseded_at IS NULL"),
        )

    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(length=40), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_audit_log_conversation_id_conversations")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_audit_log_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    with op.batch_alter_table("audit_log", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_log_staff_id"), ["staff_id"], unique=False)

    op.create_table(
        "barriers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("guardian_id", sa.Integer(), nullable=True),
        sa.Column(
            "code",
            sa.Enum(
                "illness",
                "medical_appointment",
                "mental_health",
                "transportation",
                "device",
                "internet",
                "housing",
                "food_basic_needs",
                "caregiving",
                "bereavement",
                "clothing_hygiene",
                "language_access",
                "student_work",
                "safety_bullying",
                "school_aversion",
                "discipline",
                "family_travel",
                "religious_cultural",
                "moved_transferred",
                "overslept",
                "weather",
                "legal_immigration",
                "attendance_error",
                name="code",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("returns_on", sa.Date(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_barriers_conversation_id_conversations")
        ),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardians.id"], name=op.f("fk_barriers_guardian_id_guardians")
        ),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_barriers_student_id_students")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_barriers")),
    )
    with op.batch_alter_table("barriers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_barriers_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_barriers_student_id"), ["student_id"], unique=False)

    op.create_table(
        "contacts_made",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "reached",
                "voicemail",
                "no_answer",
                "wrong_number",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_contacts_made_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_contacts_made_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts_made")),
    )
    with op.batch_alter_table("contacts_made", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_contacts_made_conversation_id"), ["conversation_id"], unique=False
        )

    op.create_table(
        "conversation_students",
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_conversation_students_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_conversation_students_student_id_students")
        ),
        sa.PrimaryKeyConstraint("conversation_id", "student_id", name=op.f("pk_conversation_students")),
    )
    with op.batch_alter_table("conversation_students", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_conversation_students_student_id"), ["student_id"], unique=False)

    op.create_table(
        "guardianships",
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("guardian_id", sa.Integer(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("contact_order", sa.Integer(), nullable=False),
        sa.Column("lives_with", sa.Boolean(), nullable=False),
        sa.Column("may_receive_texts", sa.Boolean(), nullable=False),
        sa.Column("court_order", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardians.id"], name=op.f("fk_guardianships_guardian_id_guardians")
        ),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_guardianships_student_id_students")
        ),
        sa.PrimaryKeyConstraint("student_id", "guardian_id", name=op.f("pk_guardianships")),
    )
    with op.batch_alter_table("guardianships", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_guardianships_guardian_id"), ["guardian_id"], unique=False)

    op.create_table(
        "handoffs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=True),
        sa.Column(
            "queue",
            sa.Enum(
                "safety",
                "engagement",
                "family_support",
                "transportation",
                "technology",
                "homeless_liaison",
                "social_work",
                "administration",
                "attendance_office",
                "registrar",
                name="queue",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "urgency",
            sa.Enum(
                "P0", "P1", "P2", "P3", name="urgency", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("why", sa.String(length=40), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "taken",
                "resolved",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_by", sa.Integer(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Integer(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(state = 'resolved') = (resolved_at IS NOT NULL)", name=op.f("ck_handoffs_resolved_when")
        ),
        sa.CheckConstraint(
            "(state = 'resolved') = (resolved_by IS NOT NULL)", name=op.f("ck_handoffs_resolver_is_named")
        ),
        sa.CheckConstraint(
            "state <> 'taken' OR taken_by IS NOT NULL", name=op.f("ck_handoffs_taker_is_named")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_handoffs_conversation_id_conversations")
        ),
        sa.ForeignKeyConstraint(["resolved_by"], ["staff.id"], name=op.f("fk_handoffs_resolved_by_staff")),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_handoffs_school_id_schools")),
        sa.ForeignKeyConstraint(["taken_by"], ["staff.id"], name=op.f("fk_handoffs_taken_by_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handoffs")),
    )
    with op.batch_alter_table("handoffs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_handoffs_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index("ix_handoffs_waiting", ["state", "urgency", "waiting_since"], unique=False)

    op.create_table(
        "inbound_texts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("provider_sid", sa.String(length=64), nullable=False),
        sa.Column("sender", sa.String(length=80), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("media_count", sa.Integer(), nullable=False),
        sa.Column("opt_out_type", sa.String(length=10), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("conversation_id", sa.Integer(), nullable=True),
        sa.Column(
            "language",
            sa.Enum(
                "en",
                "es",
                "pt",
                "ht",
                "ar",
                "pl",
                "sq",
                "vi",
                "uk",
                "zh",
                name="language",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("reading", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_inbound_texts_conversation_id_conversations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_texts")),
        sa.UniqueConstraint("provider_sid", name=op.f("uq_inbound_texts_provider_sid")),
    )
    with op.batch_alter_table("inbound_texts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_inbound_texts_conversation_id"), ["conversation_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_inbound_texts_handled_at"), ["handled_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_inbound_texts_sender"), ["sender"], unique=False)

    op.create_table(
        "outbound_texts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=True),
        sa.Column("phone_id", sa.Integer(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum(
                "safety",
                "consent",
                "reply",
                "check_in",
                "reminder",
                name="purpose",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("english", sa.Text(), nullable=False),
        sa.Column(
            "language",
            sa.Enum(
                "en",
                "es",
                "pt",
                "ht",
                "ar",
                "pl",
                "sq",
                "vi",
                "uk",
                "zh",
                name="language",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "claimed",
                "sent",
                "refused",
                "unknown",
                "not_sent",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("why_not", sa.String(length=40), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("provider_sid", sa.String(length=64), nullable=True),
        sa.Column(
            "delivery",
            sa.Enum(
                "none",
                "accepted",
                "sending",
                "sent",
                "delivered",
                "undelivered",
                "failed",
                name="delivery",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("error_code", sa.String(length=10), nullable=False),
        sa.CheckConstraint(
            "(state = 'not_sent') = (why_not <> '')", name=op.f("ck_outbound_texts_reason_given")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_outbound_texts_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name=op.f("fk_outbound_texts_phone_id_phones")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_outbound_texts_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbound_texts")),
        sa.UniqueConstraint("provider_sid", name=op.f("uq_outbound_texts_provider_sid")),
        sa.UniqueConstraint("token", name=op.f("uq_outbound_texts_token")),
    )
    with op.batch_alter_table("outbound_texts", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbound_texts_conversation_id"), ["conversation_id"], unique=False
        )
        batch_op.create_index("ix_outbound_texts_due", ["state", "not_before"], unique=False)
        batch_op.create_index(batch_op.f("ix_outbound_texts_phone_id"), ["phone_id"], unique=False)

    op.create_table(
        "outreaches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum(
                "safety",
                "consent",
                "reply",
                "check_in",
                "reminder",
                name="purpose",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("guardian_id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_outreaches_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardians.id"], name=op.f("fk_outreaches_guardian_id_guardians")
        ),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_outreaches_student_id_students")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outreaches")),
        sa.UniqueConstraint(
            "student_id",
            "day",
            "purpose",
            "guardian_id",
            name=op.f("uq_outreaches_student_id_day_purpose_guardian_id"),
        ),
    )
    with op.batch_alter_table("outreaches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outreaches_conversation_id"), ["conversation_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_outreaches_day"), ["day"], unique=False)
        batch_op.create_index(batch_op.f("ix_outreaches_guardian_id"), ["guardian_id"], unique=False)

    op.create_table(
        "consent_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phone_id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "opt_out",
                "opt_in",
                "wrong_number",
                "hold",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("inbound_text_id", sa.Integer(), nullable=True),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_text_id"],
            ["inbound_texts.id"],
            name=op.f("fk_consent_events_inbound_text_id_inbound_texts"),
        ),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name=op.f("fk_consent_events_phone_id_phones")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_consent_events_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_events")),
    )
    with op.batch_alter_table("consent_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consent_events_phone_id"), ["phone_id"], unique=False)

    op.create_table(
        "receipts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("outbound_text_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=40), nullable=False),
        sa.Column("error_code", sa.String(length=10), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["outbound_text_id"],
            ["outbound_texts.id"],
            name=op.f("fk_receipts_outbound_text_id_outbound_texts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
    )
    with op.batch_alter_table("receipts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_receipts_outbound_text_id"), ["outbound_text_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("receipts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_receipts_outbound_text_id"))

    op.drop_table("receipts")
    with op.batch_alter_table("consent_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consent_events_phone_id"))

    op.drop_table("consent_events")
    with op.batch_alter_table("outreaches", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outreaches_guardian_id"))
        batch_op.drop_index(batch_op.f("ix_outreaches_day"))
        batch_op.drop_index(batch_op.f("ix_outreaches_conversation_id"))

    op.drop_table("outreaches")
    with op.batch_alter_table("outbound_texts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbound_texts_phone_id"))
        batch_op.drop_index("ix_outbound_texts_due")
        batch_op.drop_index(batch_op.f("ix_outbound_texts_conversation_id"))

    op.drop_table("outbound_texts")
    with op.batch_alter_table("inbound_texts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_inbound_texts_sender"))
        batch_op.drop_index(batch_op.f("ix_inbound_texts_handled_at"))
        batch_op.drop_index(batch_op.f("ix_inbound_texts_conversation_id"))

    op.drop_table("inbound_texts")
    with op.batch_alter_table("handoffs", schema=None) as batch_op:
        batch_op.drop_index("ix_handoffs_waiting")
        batch_op.drop_index(batch_op.f("ix_handoffs_conversation_id"))

    op.drop_table("handoffs")
    with op.batch_alter_table("guardianships", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_guardianships_guardian_id"))

    op.drop_table("guardianships")
    with op.batch_alter_table("conversation_students", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_conversation_students_student_id"))

    op.drop_table("conversation_students")
    with op.batch_alter_table("contacts_made", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_contacts_made_conversation_id"))

    op.drop_table("contacts_made")
    with op.batch_alter_table("barriers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_barriers_student_id"))
        batch_op.drop_index(batch_op.f("ix_barriers_conversation_id"))

    op.drop_table("barriers")
    with op.batch_alter_table("audit_log", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_log_staff_id"))

    op.drop_table("audit_log")
    with op.batch_alter_table("attendance_marks", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_attendance_marks_current",
            sqlite_where=sa.text("superseded_at IS NULL"),
            postgresql_where=sa.text("superseded_at IS NULL"),
        )
        batch_op.drop_index("ix_attendance_marks_day_school")

    op.drop_table("attendance_marks")
    with op.batch_alter_table("absences", schema=None) as batch_op:
        batch_op.drop_index("ix_absences_day_school")

    op.drop_table("absences")
    with op.batch_alter_table("students", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_students_school_id"))
        batch_op.drop_index(batch_op.f("ix_students_number"))

    op.drop_table("students")
    with op.batch_alter_table("staff_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_staff_sessions_staff_id"))

    op.drop_table("staff_sessions")
    op.drop_table("staff_schools")
    op.drop_table("job_runs")
    with op.batch_alter_table("guardian_phones", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_guardian_phones_phone_id"))

    op.drop_table("guardian_phones")
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_conversations_silence_at"))
        batch_op.drop_index(batch_op.f("ix_conversations_school_id"))
        batch_op.drop_index("ix_conversations_phone_opened")
        batch_op.drop_index(batch_op.f("ix_conversations_guardian_id"))

    op.drop_table("conversations")
    op.drop_table("calendar_days")
    op.drop_table("staff")
    op.drop_table("schools")
    op.drop_table("phones")
    op.drop_table("imports")
    op.drop_table("guardians")
    op.drop_table("counters")
