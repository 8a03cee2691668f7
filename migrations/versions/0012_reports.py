"""What the reports count by: measures kept per student, tiers by week, and when an absence was accounted for"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_barriers_opened_at", "barriers", ["opened_at"]),
    ("ix_contacts_made_at", "contacts_made", ["at"]),
    ("ix_conversations_day_school", "conversations", ["day", "school_id"]),
    ("ix_handoffs_opened_at", "handoffs", ["opened_at"]),
    ("ix_inbound_texts_received_at", "inbound_texts", ["received_at"]),
)


def upgrade() -> None:
    op.create_table(
        "student_measures",
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("enrolled", sa.Integer(), nullable=False),
        sa.Column("excused", sa.Integer(), nullable=False),
        sa.Column("unexcused", sa.Integer(), nullable=False),
        sa.Column("disciplinary", sa.Integer(), nullable=False),
        sa.Column("streak", sa.Integer(), nullable=False),
        sa.Column("last_contact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name=op.f("fk_student_measures_student_id_students")
        ),
        sa.PrimaryKeyConstraint("student_id", name=op.f("pk_student_measures")),
    )
    op.create_table(
        "tier_weeks",
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("satisfactory", sa.Integer(), nullable=False),
        sa.Column("at_risk", sa.Integer(), nullable=False),
        sa.Column("moderate", sa.Integer(), nullable=False),
        sa.Column("severe", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_tier_weeks_school_id_schools")),
        sa.PrimaryKeyConstraint("school_id", "day", name=op.f("pk_tier_weeks")),
    )
    instant = "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"
    op.execute(f"ALTER TABLE absences ADD COLUMN accounted_at {instant}")
    # Of what is already accounted for, the last change is the best that is known.
    op.execute(
        "UPDATE absences SET accounted_at = changed_at WHERE not_contacted = 'already_excused' "
        "OR outcome IN ('explained', 'explained_needs_help', 'present_corrected')"
    )
    for name, table, columns in _INDEXES:
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, table, _ in _INDEXES:
        op.drop_index(name, table)
    op.execute("ALTER TABLE absences DROP COLUMN accounted_at")
    op.drop_table("tier_weeks")
    op.drop_table("student_measures")
