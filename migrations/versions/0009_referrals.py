"""Partners, referrals, devices, notes and plans."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = (
    "partners",
    "partner_services",
    "referrals",
    "referral_steps",
    "devices",
    "device_loans",
    "notes",
    "note_versions",
    "note_readers",
    "plans",
    "plan_steps",
)
# What a person wrote or decided stays as it was: a change is another row.
_APPEND_ONLY = ("referral_steps", "note_versions", "plans", "plan_steps")


def upgrade() -> None:
    op.create_table(
        "partners",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("languages", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("hours", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partners")),
        sa.UniqueConstraint("name", name=op.f("uq_partners_name")),
    )
    op.create_table(
        "partner_services",
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column(
            "service",
            sa.Enum(
                "food",
                "housing",
                "utilities",
                "transportation",
                "health",
                "mental_health",
                "grief",
                "clothing",
                "internet",
                "childcare",
                "employment",
                "language",
                "legal_aid",
                "safety",
                "mentoring",
                "other",
                name="service",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_partner_services_partner_id_partners")
        ),
        sa.PrimaryKeyConstraint("partner_id", "service", name=op.f("pk_partner_services")),
    )
    op.create_table(
        "referrals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column(
            "service",
            sa.Enum(
                "food",
                "housing",
                "utilities",
                "transportation",
                "health",
                "mental_health",
                "grief",
                "clothing",
                "internet",
                "childcare",
                "employment",
                "language",
                "legal_aid",
                "safety",
                "mentoring",
                "other",
                name="service",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("barrier_id", sa.Integer(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("agreed", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "offered",
                "accepted",
                "sent",
                "received",
                "not_received",
                "declined",
                "closed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "outcome",
            sa.Enum(
                "received",
                "not_received",
                "declined",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("comes_back_on", sa.Date(), nullable=False),
        sa.Column("came_back", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_referrals_closed_when")
        ),
        sa.CheckConstraint(
            "(state IN ('offered', 'accepted', 'sent')) = (outcome IS NULL)",
            name=op.f("ck_referrals_outcome_is_known"),
        ),
        sa.ForeignKeyConstraint(
            ["barrier_id"], ["barriers.id"], name=op.f("fk_referrals_barrier_id_barriers")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["staff.id"], name=op.f("fk_referrals_owner_id_staff")),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_referrals_partner_id_partners")
        ),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_referrals_student_id_students")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referrals")),
        sa.UniqueConstraint("form_key", name=op.f("uq_referrals_form_key")),
    )
    op.create_index(op.f("ix_referrals_closed_at"), "referrals", ["closed_at"])
    op.create_index(
        "ix_referrals_coming_back",
        "referrals",
        ["comes_back_on"],
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index(
        "ix_referrals_not_closed",
        "referrals",
        ["due_on"],
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_index(op.f("ix_referrals_partner_id"), "referrals", ["partner_id"])
    op.create_index(op.f("ix_referrals_student_id"), "referrals", ["student_id"])
    op.create_table(
        "referral_steps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("referral_id", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "offered",
                "accepted",
                "sent",
                "received",
                "not_received",
                "declined",
                "closed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referrals.id"], name=op.f("fk_referral_steps_referral_id_referrals")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_referral_steps_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referral_steps")),
    )
    op.create_index("ix_referral_steps_referral_id", "referral_steps", ["referral_id"])
    op.create_index("ix_referral_steps_state_at", "referral_steps", ["state", "at"])
    op.create_index(
        "uq_referral_steps_taken",
        "referral_steps",
        ["referral_id", "state"],
        unique=True,
        sqlite_where=sa.text("staff_id IS NOT NULL"),
        postgresql_where=sa.text("staff_id IS NOT NULL"),
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "laptop",
                "hotspot",
                "charger",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("tag", sa.String(length=60), nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "in_stock",
                "issued",
                "broken",
                "lost",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_devices_school_id_schools")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("tag", name=op.f("uq_devices_tag")),
    )
    op.create_index(op.f("ix_devices_state"), "devices", ["state"])
    op.create_table(
        "device_loans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("barrier_id", sa.Integer(), nullable=True),
        sa.Column("issued_by", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issue_note", sa.Text(), nullable=False),
        sa.Column("returned_to", sa.Integer(), nullable=True),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "condition",
            sa.Enum(
                "in_stock",
                "issued",
                "broken",
                "lost",
                name="condition",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("return_note", sa.Text(), nullable=False),
        sa.CheckConstraint("condition <> 'issued'", name=op.f("ck_device_loans_condition_is_one")),
        sa.CheckConstraint(
            "(returned_at IS NULL) = (condition IS NULL)", name=op.f("ck_device_loans_condition_is_known")
        ),
        sa.CheckConstraint(
            "(returned_at IS NULL) = (returned_to IS NULL)", name=op.f("ck_device_loans_taker_back_is_named")
        ),
        sa.ForeignKeyConstraint(
            ["barrier_id"], ["barriers.id"], name=op.f("fk_device_loans_barrier_id_barriers")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_device_loans_device_id_devices")
        ),
        sa.ForeignKeyConstraint(["issued_by"], ["staff.id"], name=op.f("fk_device_loans_issued_by_staff")),
        sa.ForeignKeyConstraint(
            ["returned_to"], ["staff.id"], name=op.f("fk_device_loans_returned_to_staff")
        ),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_device_loans_student_id_students")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_loans")),
    )
    op.create_index("ix_device_loans_device_id", "device_loans", ["device_id"])
    op.create_index(op.f("ix_device_loans_student_id"), "device_loans", ["student_id"])
    op.create_index(
        "uq_device_loans_held",
        "device_loans",
        ["device_id"],
        unique=True,
        sqlite_where=sa.text("returned_at IS NULL"),
        postgresql_where=sa.text("returned_at IS NULL"),
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("guardian_id", sa.Integer(), nullable=True),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("restricted", sa.Boolean(), nullable=False),
        sa.Column("for_supervisors", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["staff.id"], name=op.f("fk_notes_author_id_staff")),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardians.id"], name=op.f("fk_notes_guardian_id_guardians")
        ),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name=op.f("fk_notes_student_id_students")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
        sa.UniqueConstraint("form_key", name=op.f("uq_notes_form_key")),
    )
    op.create_index(op.f("ix_notes_guardian_id"), "notes", ["guardian_id"])
    op.create_index(op.f("ix_notes_student_id"), "notes", ["student_id"])
    op.create_table(
        "note_versions",
        sa.Column("note_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["note_id"], ["notes.id"], name=op.f("fk_note_versions_note_id_notes")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_note_versions_staff_id_staff")),
        sa.PrimaryKeyConstraint("note_id", "number", name=op.f("pk_note_versions")),
    )
    op.create_table(
        "note_readers",
        sa.Column("note_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["note_id"], ["notes.id"], name=op.f("fk_note_readers_note_id_notes")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_note_readers_staff_id_staff")),
        sa.PrimaryKeyConstraint("note_id", "staff_id", name=op.f("pk_note_readers")),
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Integer(), nullable=False),
        sa.Column("hopes", sa.Text(), nullable=False),
        sa.Column("mornings", sa.Text(), nullable=False),
        sa.Column("review_on", sa.Date(), nullable=True),
        sa.Column("review_key", sa.String(length=120), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.CheckConstraint("tier IN (1, 2, 3)", name=op.f("ck_plans_tier_is_one")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_plans_staff_id_staff")),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name=op.f("fk_plans_student_id_students")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("form_key", name=op.f("uq_plans_form_key")),
    )
    op.create_index("ix_plans_student_id_at", "plans", ["student_id", "at"])
    op.create_table(
        "plan_steps",
        sa.Column("plan_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("task_key", sa.String(length=120), nullable=False),
        sa.CheckConstraint("position IN (1, 2, 3)", name=op.f("ck_plan_steps_three_at_most")),
        sa.ForeignKeyConstraint(["owner_id"], ["staff.id"], name=op.f("fk_plan_steps_owner_id_staff")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_plan_steps_plan_id_plans")),
        sa.PrimaryKeyConstraint("plan_id", "position", name=op.f("pk_plan_steps")),
    )

    for table in _APPEND_ONLY:
        _append_only(table)


def _append_only(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION presente_append_only()"
        )
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_append_only_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append only'); END"
        )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
