"""Which steps of the ladder were taken, so that each is taken once"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ladder_steps",
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "step",
            sa.Enum(
                "reminder",
                "second_guardian",
                "call_task",
                "email",
                "day_two",
                "home_visit",
                "team_review",
                "return_text",
                name="step",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("guardian_id", sa.Integer(), nullable=True),
        sa.Column("handoff_id", sa.Integer(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardians.id"], name=op.f("fk_ladder_steps_guardian_id_guardians")
        ),
        sa.ForeignKeyConstraint(
            ["handoff_id"], ["handoffs.id"], name=op.f("fk_ladder_steps_handoff_id_handoffs")
        ),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_ladder_steps_student_id_students")
        ),
        sa.PrimaryKeyConstraint("student_id", "day", "step", name=op.f("pk_ladder_steps")),
    )
    op.create_index(op.f("ix_ladder_steps_day"), "ladder_steps", ["day"])
    op.create_index(op.f("ix_ladder_steps_handoff_id"), "ladder_steps", ["handoff_id"])


def downgrade() -> None:
    op.drop_table("ladder_steps")
