"""Files that wait for a person, brakes that hold a school, saved mappings, and who may push files"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "school_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column(
            "way",
            sa.Enum(
                "command",
                "folder",
                "push",
                "page",
                name="way",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("sent_by", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "asks",
                "checked",
                "held",
                "applied",
                "refused",
                "rejected",
                "undone",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(decided_at IS NULL) = (decided_by = '')", name=op.f("ck_school_files_decider_is_named")
        ),
        sa.CheckConstraint(
            "(state IN ('asks', 'checked', 'held')) = (decided_at IS NULL)",
            name=op.f("ck_school_files_decided_when"),
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_school_files_import_id_imports")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_school_files_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_school_files")),
        sa.UniqueConstraint("key", name=op.f("uq_school_files_key")),
    )
    op.create_index(op.f("ix_school_files_import_id"), "school_files", ["import_id"], unique=False)
    op.create_index(op.f("ix_school_files_sha256"), "school_files", ["sha256"], unique=False)
    op.create_index("ix_school_files_state", "school_files", ["state", "id"], unique=False)
    op.create_table(
        "file_contents",
        sa.Column("file_id", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(length=20), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["school_files.id"], name=op.f("fk_file_contents_file_id_school_files")
        ),
        sa.PrimaryKeyConstraint("file_id", "part", name=op.f("pk_file_contents")),
    )
    op.create_table(
        "saved_mappings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("written", sa.JSON(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_mappings")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_saved_mappings_kind_name")),
    )
    op.create_table(
        "school_holds",
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "no_school_day",
                "nearly_all_absent",
                "more_than_usual",
                "school_missing",
                name="reason",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("absent", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "raised",
                "kept",
                "released",
                "lifted",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "(decided_at IS NULL) = (decided_by = '')", name=op.f("ck_school_holds_decider_is_named")
        ),
        sa.CheckConstraint(
            "(state = 'raised') = (decided_at IS NULL)", name=op.f("ck_school_holds_decided_when")
        ),
        sa.ForeignKeyConstraint(
            ["file_id"], ["school_files.id"], name=op.f("fk_school_holds_file_id_school_files")
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_school_holds_school_id_schools")
        ),
        sa.PrimaryKeyConstraint("school_id", "day", "reason", name=op.f("pk_school_holds")),
    )
    op.create_index("ix_school_holds_day", "school_holds", ["day", "state"], unique=False)
    op.create_table(
        "push_tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_tokens")),
        sa.UniqueConstraint("name", name=op.f("uq_push_tokens_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_push_tokens_token_hash")),
    )


def downgrade() -> None:
    for table in ("push_tokens", "school_holds", "saved_mappings", "file_contents", "school_files"):
        op.drop_table(table)
