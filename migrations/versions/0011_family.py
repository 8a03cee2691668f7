"""Barriers that a person corrects, replies that somebody reviewed, what a machine translated"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_LANGUAGES = ("en", "es", "pt", "ht", "ar", "pl", "sq", "vi", "uk", "zh")
_BARRIERS = (
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
)


def upgrade() -> None:
    op.execute("ALTER TABLE outbound_texts ADD COLUMN machine_translated BOOLEAN DEFAULT false NOT NULL")
    op.execute(f"ALTER TABLE barriers ADD COLUMN withdrawn_at {_instant()}")
    # A family's story asks for the desk's acts on each poll.
    op.create_index(op.f("ix_audit_log_conversation_id"), "audit_log", ["conversation_id"])
    op.create_table(
        "barrier_corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("barrier_id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("before", _one_of("before", _BARRIERS), nullable=True),
        sa.Column("after", _one_of("after", _BARRIERS), nullable=True),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "before IS NOT NULL OR after IS NOT NULL", name=op.f("ck_barrier_corrections_says_something")
        ),
        sa.ForeignKeyConstraint(
            ["barrier_id"], ["barriers.id"], name=op.f("fk_barrier_corrections_barrier_id_barriers")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_barrier_corrections_conversation_id_conversations"),
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_barrier_corrections_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_barrier_corrections")),
    )
    op.create_index(op.f("ix_barrier_corrections_barrier_id"), "barrier_corrections", ["barrier_id"])
    op.create_index(
        op.f("ix_barrier_corrections_conversation_id"), "barrier_corrections", ["conversation_id"]
    )
    op.create_table(
        "reply_reviews",
        sa.Column("key", sa.String(60), nullable=False),
        sa.Column("language", _one_of("language", _LANGUAGES), nullable=False),
        sa.Column("text_hash", sa.String(64), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_reply_reviews_staff_id_staff")),
        sa.PrimaryKeyConstraint("key", "language", "text_hash", name=op.f("pk_reply_reviews")),
    )
    op.create_table(
        "machine_translations",
        sa.Column("text_hash", sa.String(64), nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("target", _one_of("target", _LANGUAGES), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("text_hash", "source", "target", name=op.f("pk_machine_translations")),
    )


def downgrade() -> None:
    op.drop_table("machine_translations")
    op.drop_table("reply_reviews")
    op.drop_table("barrier_corrections")
    op.drop_index(op.f("ix_audit_log_conversation_id"), "audit_log")
    op.execute("ALTER TABLE barriers DROP COLUMN withdrawn_at")
    op.execute("ALTER TABLE outbound_texts DROP COLUMN machine_translated")


def _one_of(name: str, values: tuple[str, ...]) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _instant() -> str:
    return "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"
