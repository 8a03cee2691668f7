"""Who was alarmed and who has looked; families that went from one staff member's hands to another's"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_UNSETTLED = "state IN ('queued', 'claimed')"
_COLUMNS = (
    ("seen_by", "INTEGER CONSTRAINT fk_handoffs_seen_by_staff REFERENCES staff (id)"),
    ("seen_at", None),
    ("acted_at", None),
    ("alarm_at", None),
)


def upgrade() -> None:
    for name, column in _COLUMNS:
        op.execute(f"ALTER TABLE handoffs ADD COLUMN {name} {column or _instant()}")
    # Whoever has a case now, took it as the last thing we know of them.
    op.execute("UPDATE handoffs SET acted_at = taken_at WHERE state = 'taken'")
    op.create_table(
        "transfers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        _one_of("kind", "transferred", "released", "came_back"),
        sa.Column("by_staff_id", sa.Integer(), nullable=True),
        sa.Column("from_staff_id", sa.Integer(), nullable=True),
        sa.Column("to_staff_id", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'transferred') = (to_staff_id IS NOT NULL)", name=op.f("ck_transfers_receiver_is_named")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_transfers_conversation_id_conversations")
        ),
        sa.ForeignKeyConstraint(["by_staff_id"], ["staff.id"], name=op.f("fk_transfers_by_staff_id_staff")),
        sa.ForeignKeyConstraint(
            ["from_staff_id"], ["staff.id"], name=op.f("fk_transfers_from_staff_id_staff")
        ),
        sa.ForeignKeyConstraint(["to_staff_id"], ["staff.id"], name=op.f("fk_transfers_to_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index(op.f("ix_transfers_conversation_id"), "transfers", ["conversation_id"])
    op.create_table(
        "looking",
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("writing_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_looking_conversation_id_conversations")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_looking_staff_id_staff")),
        sa.PrimaryKeyConstraint("conversation_id", "staff_id", name=op.f("pk_looking")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("handoff_id", sa.Integer(), nullable=False),
        sa.Column("alarm_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        _one_of("kind", "text", "mail"),
        sa.Column("address", sa.String(length=255), nullable=False),
        sa.Column("outbound_text_id", sa.Integer(), nullable=True),
        _one_of("state", "queued", "claimed", "sent", "refused", "unknown"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(kind = 'text') = (outbound_text_id IS NOT NULL)", name=op.f("ck_alerts_text_is_in_the_outbox")
        ),
        sa.ForeignKeyConstraint(["handoff_id"], ["handoffs.id"], name=op.f("fk_alerts_handoff_id_handoffs")),
        sa.ForeignKeyConstraint(
            ["outbound_text_id"],
            ["outbound_texts.id"],
            name=op.f("fk_alerts_outbound_text_id_outbound_texts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint(
            "handoff_id",
            "alarm_at",
            "step",
            "kind",
            "address",
            name=op.f("uq_alerts_handoff_id_alarm_at_step_kind_address"),
        ),
    )
    op.create_index(
        "ix_alerts_unsettled",
        "alerts",
        ["state"],
        sqlite_where=sa.text(_UNSETTLED),
        postgresql_where=sa.text(_UNSETTLED),
    )


def downgrade() -> None:
    for table in ("alerts", "looking", "transfers"):
        op.drop_table(table)
    for name, _ in reversed(_COLUMNS):
        op.execute(f"ALTER TABLE handoffs DROP COLUMN {name}")


def _instant() -> str:
    return "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"


def _one_of(name: str, *members: str) -> sa.Column[str]:
    return sa.Column(
        name,
        sa.Enum(*members, name=name, native_enum=False, create_constraint=True, length=40),
        nullable=False,
    )
