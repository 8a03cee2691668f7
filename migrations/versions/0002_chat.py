"""A chat page beside the texts: links, photos, and how each text travelled"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_WITH_CHANNEL = ("conversations", "inbound_texts", "outbound_texts")


def upgrade() -> None:
    for table in _WITH_CHANNEL:
        # In place, by words that both databases know. Alembic's batch mode would make the table anew on
        # SQLite: it forgets the CHECKs that stand there, and rows of other tables point at the old one.
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN channel VARCHAR(40) DEFAULT 'sms' NOT NULL "
            f"CONSTRAINT ck_{table}_channel CHECK (channel IN ('sms', 'chat'))"
        )
    op.create_table(
        "chat_links",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_chat_links_conversation_id_conversations"),
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_chat_links")),
    )
    op.create_index(op.f("ix_chat_links_conversation_id"), "chat_links", ["conversation_id"])
    op.create_table(
        "pictures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("inbound_text_id", sa.Integer(), nullable=False),
        sa.Column(
            "content_type",
            sa.Enum(
                "image/jpeg",
                "image/png",
                "image/webp",
                "image/heic",
                name="content_type",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_text_id"], ["inbound_texts.id"], name=op.f("fk_pictures_inbound_text_id_inbound_texts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pictures")),
    )
    op.create_index(op.f("ix_pictures_inbound_text_id"), "pictures", ["inbound_text_id"])


def downgrade() -> None:
    op.drop_table("pictures")
    op.drop_table("chat_links")
    for table in reversed(_WITH_CHANNEL):
        op.execute(f"ALTER TABLE {table} DROP COLUMN channel")
