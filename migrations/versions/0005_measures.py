"""Which thresholds of absence a person was told of, so that each is told once"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "thresholds_raised",
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column(
            "threshold",
            sa.Enum(
                "at_risk",
                "chronic",
                "severe",
                "four_in_a_month",
                "ten_in_a_year",
                "three_in_a_row",
                name="threshold",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("reached_on", sa.Date(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_thresholds_raised_student_id_students")
        ),
        sa.PrimaryKeyConstraint("student_id", "threshold", "period", name=op.f("pk_thresholds_raised")),
    )


def downgrade() -> None:
    op.drop_table("thresholds_raised")
