"""Home visits and the tasks that follow; a call, or a barrier, that stands in no conversation"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_OPEN = "done_at IS NULL AND cancelled_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "home_visits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("guardian_id", sa.Integer(), nullable=True),
        sa.Column("follows_id", sa.Integer(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "planned",
                "done",
                "cancelled",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "part",
            sa.Enum(
                "morning",
                "midday",
                "afternoon",
                "evening",
                name="part",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("lead_id", sa.Integer(), nullable=False),
        sa.Column("pair_id", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("bring", sa.Text(), nullable=False),
        sa.Column("safety", sa.Text(), nullable=False),
        sa.Column("planned_by", sa.Integer(), nullable=False),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "met_guardian",
                "met_other_adult",
                "card_left",
                "address_wrong",
                "refused",
                "unsafe",
                "rescheduled",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("visited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("met", sa.Text(), nullable=False),
        sa.Column("heard", sa.Text(), nullable=False),
        sa.Column("logged_by", sa.Integer(), nullable=True),
        sa.Column("logged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_why", sa.Text(), nullable=False),
        sa.Column("thanked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'cancelled') = (cancelled_why <> '')", name=op.f("ck_home_visits_reason_given")
        ),
        sa.CheckConstraint(
            "(state = 'done') = (logged_at IS NOT NULL)", name=op.f("ck_home_visits_logged_when")
        ),
        sa.CheckConstraint(
            "(state = 'done') = (outcome IS NOT NULL)", name=op.f("ck_home_visits_outcome_given")
        ),
        sa.CheckConstraint(
            "(logged_at IS NULL) = (logged_by IS NULL)", name=op.f("ck_home_visits_logger_is_named")
        ),
        sa.CheckConstraint(
            "(logged_at IS NULL) = (visited_at IS NULL)", name=op.f("ck_home_visits_visited_when")
        ),
        sa.CheckConstraint("lead_id <> pair_id", name=op.f("ck_home_visits_two_people")),
        sa.ForeignKeyConstraint(
            ["follows_id"], ["home_visits.id"], name=op.f("fk_home_visits_follows_id_home_visits")
        ),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardians.id"], name=op.f("fk_home_visits_guardian_id_guardians")
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["staff.id"], name=op.f("fk_home_visits_lead_id_staff")),
        sa.ForeignKeyConstraint(["logged_by"], ["staff.id"], name=op.f("fk_home_visits_logged_by_staff")),
        sa.ForeignKeyConstraint(["pair_id"], ["staff.id"], name=op.f("fk_home_visits_pair_id_staff")),
        sa.ForeignKeyConstraint(["planned_by"], ["staff.id"], name=op.f("fk_home_visits_planned_by_staff")),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_home_visits_student_id_students")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_home_visits")),
        sa.UniqueConstraint("key", name=op.f("uq_home_visits_key")),
    )
    op.create_index(
        "ix_home_visits_lead_id_visited_at", "home_visits", ["lead_id", "visited_at"], unique=False
    )
    op.create_index(
        "ix_home_visits_pair_id_visited_at", "home_visits", ["pair_id", "visited_at"], unique=False
    )
    op.create_index("ix_home_visits_state_day", "home_visits", ["state", "day"], unique=False)
    op.create_index("ix_home_visits_student_id_day", "home_visits", ["student_id", "day"], unique=False)
    op.create_table(
        "home_visit_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("visit_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(length=40), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_home_visit_changes_staff_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["visit_id"], ["home_visits.id"], name=op.f("fk_home_visit_changes_visit_id_home_visits")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_home_visit_changes")),
    )
    op.create_index(op.f("ix_home_visit_changes_visit_id"), "home_visit_changes", ["visit_id"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "next_step",
                "check_attendance",
                "second_visit",
                "thank_you",
                "call",
                "referral",
                "device",
                "plan",
                "threshold",
                "number",
                "barrier",
                "other",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=True),
        sa.Column("visit_id", sa.Integer(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("raised_by", sa.Integer(), nullable=True),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.Integer(), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_as", sa.Text(), nullable=False),
        sa.CheckConstraint("(done_at IS NULL) = (done_by IS NULL)", name=op.f("ck_tasks_doer_is_named")),
        sa.CheckConstraint("done_at IS NULL OR cancelled_at IS NULL", name=op.f("ck_tasks_ended_once")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_tasks_conversation_id_conversations")
        ),
        sa.ForeignKeyConstraint(["done_by"], ["staff.id"], name=op.f("fk_tasks_done_by_staff")),
        sa.ForeignKeyConstraint(["owner_id"], ["staff.id"], name=op.f("fk_tasks_owner_id_staff")),
        sa.ForeignKeyConstraint(["raised_by"], ["staff.id"], name=op.f("fk_tasks_raised_by_staff")),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name=op.f("fk_tasks_student_id_students")),
        sa.ForeignKeyConstraint(["visit_id"], ["home_visits.id"], name=op.f("fk_tasks_visit_id_home_visits")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("key", name=op.f("uq_tasks_key")),
    )
    op.create_index(op.f("ix_tasks_conversation_id"), "tasks", ["conversation_id"], unique=False)
    op.create_index(
        "ix_tasks_open_of_owner",
        "tasks",
        ["owner_id", "due_on"],
        unique=False,
        sqlite_where=sa.text(_OPEN),
        postgresql_where=sa.text(_OPEN),
    )
    op.create_index(
        "ix_tasks_open_of_student",
        "tasks",
        ["student_id", "due_on"],
        unique=False,
        sqlite_where=sa.text(_OPEN),
        postgresql_where=sa.text(_OPEN),
    )
    op.create_index("ix_tasks_student_id", "tasks", ["student_id"], unique=False)
    op.create_index(op.f("ix_tasks_visit_id"), "tasks", ["visit_id"], unique=False)
    with op.batch_alter_table("contacts_made") as table:
        table.alter_column("conversation_id", existing_type=sa.Integer(), nullable=True)
        table.add_column(sa.Column("student_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("guardian_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("key", sa.String(length=64), nullable=True))
        table.create_foreign_key("fk_contacts_made_student_id_students", "students", ["student_id"], ["id"])
        table.create_foreign_key(
            "fk_contacts_made_guardian_id_guardians", "guardians", ["guardian_id"], ["id"]
        )
        table.create_unique_constraint("uq_contacts_made_key", ["key"])
        table.create_check_constraint(
            op.f("ck_contacts_made_about_somebody"), "conversation_id IS NOT NULL OR student_id IS NOT NULL"
        )
        table.create_index("ix_contacts_made_student_id_at", ["student_id", "at"])
    with op.batch_alter_table("barriers") as table:
        table.alter_column("conversation_id", existing_type=sa.Integer(), nullable=True)
        table.add_column(sa.Column("visit_id", sa.Integer(), nullable=True))
        table.create_foreign_key("fk_barriers_visit_id_home_visits", "home_visits", ["visit_id"], ["id"])
        table.create_index("ix_barriers_visit_id", ["visit_id"])


def downgrade() -> None:
    """Back to the tables before. What stands in no conversation is gone with the visits and the tasks."""
    op.execute("DELETE FROM barriers WHERE conversation_id IS NULL")
    with op.batch_alter_table("barriers") as table:
        table.drop_index("ix_barriers_visit_id")
        table.drop_constraint("fk_barriers_visit_id_home_visits", type_="foreignkey")
        table.drop_column("visit_id")
        table.alter_column("conversation_id", existing_type=sa.Integer(), nullable=False)
    op.execute("DELETE FROM contacts_made WHERE conversation_id IS NULL")
    with op.batch_alter_table("contacts_made") as table:
        table.drop_index("ix_contacts_made_student_id_at")
        table.drop_constraint(op.f("ck_contacts_made_about_somebody"), type_="check")
        table.drop_constraint("uq_contacts_made_key", type_="unique")
        table.drop_constraint("fk_contacts_made_guardian_id_guardians", type_="foreignkey")
        table.drop_constraint("fk_contacts_made_student_id_students", type_="foreignkey")
        table.drop_column("key")
        table.drop_column("guardian_id")
        table.drop_column("student_id")
        table.alter_column("conversation_id", existing_type=sa.Integer(), nullable=False)
    op.drop_table("tasks")
    op.drop_table("home_visit_changes")
    op.drop_table("home_visits")
