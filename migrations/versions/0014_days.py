"""Closings and late openings, the calendar's address, e-mail, the first enrolled day"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_LANGUAGES = ("en", "es", "pt", "ht", "ar", "pl", "sq", "vi", "uk", "zh")
_HOLDING = "withdrawn_at IS NULL"
_WAITING = "state IN ('queued', 'claimed')"


def upgrade() -> None:
    _days()
    op.execute("ALTER TABLE students ADD COLUMN enrolled_from DATE")
    op.execute("ALTER TABLE guardians ADD COLUMN email TEXT DEFAULT '' NOT NULL")
    _emails()


def _days() -> None:
    op.create_table(
        "school_days_changed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", _one_of("kind", "closed", "opens_late", "ends_early"), nullable=False),
        sa.Column("at_time", sa.Time(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.Text(), nullable=True),
        sa.Column("taken_back", sa.JSON(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'closed') = (at_time IS NULL)", name=op.f("ck_school_days_changed_time_given")
        ),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_by IS NULL)",
            name=op.f("ck_school_days_changed_withdrawer_named"),
        ),
        sa.ForeignKeyConstraint(
            ["school_id"], ["schools.id"], name=op.f("fk_school_days_changed_school_id_schools")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_school_days_changed_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_school_days_changed")),
    )
    op.create_index(
        "uq_school_days_changed_holding",
        "school_days_changed",
        ["school_id", "day", "kind"],
        unique=True,
        sqlite_where=sa.text(_HOLDING),
        postgresql_where=sa.text(_HOLDING),
    )
    op.create_table(
        "calendar_feeds",
        sa.Column("address", sa.String(length=2000), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.Text(), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("good_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_calendar_feeds")),
    )


def _emails() -> None:
    op.create_table(
        "emails",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("guardian_id", sa.Integer(), nullable=False),
        sa.Column("school_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("english", sa.Text(), nullable=False),
        sa.Column("language", _one_of("language", *_LANGUAGES), nullable=False),
        sa.Column(
            "state",
            _one_of("state", "queued", "claimed", "sent", "refused", "unknown", "not_sent"),
            nullable=False,
        ),
        sa.Column("why_not", sa.String(length=40), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'not_sent') = (why_not <> '')", name=op.f("ck_emails_reason_given")),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardians.id"], name=op.f("fk_emails_guardian_id_guardians")
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=op.f("fk_emails_school_id_schools")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emails")),
        sa.UniqueConstraint("guardian_id", "day", name=op.f("uq_emails_guardian_id_day")),
    )
    op.create_index(
        "ix_emails_waiting",
        "emails",
        ["state", "queued_at"],
        sqlite_where=sa.text(_WAITING),
        postgresql_where=sa.text(_WAITING),
    )


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def downgrade() -> None:
    op.drop_table("emails")
    op.drop_column("guardians", "email")
    op.drop_column("students", "enrolled_from")
    op.drop_table("calendar_feeds")
    op.drop_table("school_days_changed")
