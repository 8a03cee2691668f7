"""Delivery to its promise: classes, leases, senders, the stop button, mutes, and a history nobody can change"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_QUEUED = "state = 'queued'"
_IN_DOUBT = "state IN ('claimed', 'unknown')"
_WAITING = "handled_at IS NULL"
_KINDS = (
    "opt_out",
    "opt_in",
    "wrong_number",
    "hold",
    "release",
    "suspend",
    "confirm",
    "mute",
    "unmute",
)
_KINDS_BEFORE = _KINDS[:4]
_APPEND_ONLY = ("consent_events", "stops")


def upgrade() -> None:
    for name, column in (
        ("suspended", "BOOLEAN DEFAULT false NOT NULL"),
        ("failures", "INTEGER DEFAULT '0' NOT NULL"),
        ("looked_up_at", _instant()),
    ):
        op.execute(f"ALTER TABLE phones ADD COLUMN {name} {column}")

    _consent_events()

    op.drop_index("ix_inbound_texts_handled_at", "inbound_texts")
    for name, column in (
        ("retry_token", "VARCHAR(80)"),
        ("incomplete", "BOOLEAN DEFAULT false NOT NULL"),
        ("redacted_at", _instant()),
    ):
        op.execute(f"ALTER TABLE inbound_texts ADD COLUMN {name} {column}")
    # A unique index rather than a constraint: SQLite cannot add the other to a table that stands.
    op.create_index("uq_inbound_texts_retry_token", "inbound_texts", ["retry_token"], unique=True)
    op.create_index(
        "ix_inbound_texts_waiting",
        "inbound_texts",
        ["sender", "id"],
        sqlite_where=sa.text(_WAITING),
        postgresql_where=sa.text(_WAITING),
    )

    op.drop_index("ix_outbound_texts_due", "outbound_texts")
    for name, column in (
        (
            "purpose_class",
            (
                "VARCHAR(40) DEFAULT 'mission' NOT NULL CONSTRAINT ck_outbound_texts_purpose_class "
                "CHECK (purpose_class IN ('emergency', 'unexcused_absence', 'mission'))"
            ),
        ),
        ("rank", "INTEGER DEFAULT '3' NOT NULL"),
        ("left_as", "VARCHAR(64) DEFAULT '' NOT NULL"),
        (
            "retry_of",
            "INTEGER CONSTRAINT fk_outbound_texts_retry_of_outbound_texts REFERENCES outbound_texts (id)",
        ),
        ("raised_at", _instant()),
        ("redacted_at", _instant()),
    ):
        op.execute(f"ALTER TABLE outbound_texts ADD COLUMN {name} {column}")
    op.execute(
        "UPDATE outbound_texts SET rank = CASE purpose WHEN 'safety' THEN 0 WHEN 'consent' THEN 1 "
        "WHEN 'reply' THEN 1 WHEN 'check_in' THEN 2 WHEN 'reminder' THEN 2 ELSE 3 END, "
        "purpose_class = CASE purpose WHEN 'safety' THEN 'emergency' WHEN 'check_in' THEN 'unexcused_absence' "
        "WHEN 'reminder' THEN 'unexcused_absence' ELSE 'mission' END"
    )
    op.create_index("ix_outbound_texts_retry_of", "outbound_texts", ["retry_of"])
    op.create_index(
        "ix_outbound_texts_queued",
        "outbound_texts",
        ["rank", "not_before", "id"],
        sqlite_where=sa.text(_QUEUED),
        postgresql_where=sa.text(_QUEUED),
    )
    op.create_index(
        "ix_outbound_texts_in_doubt",
        "outbound_texts",
        ["claimed_at"],
        sqlite_where=sa.text(_IN_DOUBT),
        postgresql_where=sa.text(_IN_DOUBT),
    )

    op.create_table(
        "mutes",
        sa.Column("guardian_id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column(
            "purpose",
            sa.Enum(
                "safety",
                "consent",
                "reply",
                "check_in",
                "reminder",
                name="purpose",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["guardian_id"], ["guardians.id"], name="fk_mutes_guardian_id_guardians"),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name="fk_mutes_student_id_students"),
        sa.PrimaryKeyConstraint("guardian_id", "student_id", "purpose", name="pk_mutes"),
    )
    op.create_table(
        "senders",
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("room", sa.Double(), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("segments_today", sa.Integer(), nullable=False),
        sa.Column("faults", sa.Integer(), nullable=False),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_why", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_senders"),
    )
    op.create_table(
        "stops",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_stops_staff_id_staff"),
        sa.PrimaryKeyConstraint("id", name="pk_stops"),
    )
    op.create_table(
        "ticks",
        sa.Column("job", sa.String(length=60), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_ticks"),
    )
    for table in _APPEND_ONLY:
        _append_only(table)


def _instant() -> str:
    return "TIMESTAMP WITH TIME ZONE" if op.get_bind().dialect.name == "postgresql" else "DATETIME"


def _is(kinds: tuple[str, ...]) -> str:
    return f"kind IN ({', '.join(repr(kind) for kind in kinds)})"


def _consent_events() -> None:
    """More kinds, and the words. On SQLite a CHECK can only be changed by making the table anew."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE consent_events DROP CONSTRAINT ck_consent_events_kind")
        op.execute(f"ALTER TABLE consent_events ADD CONSTRAINT ck_consent_events_kind CHECK ({_is(_KINDS)})")
        op.execute("ALTER TABLE consent_events ADD COLUMN words TEXT DEFAULT '' NOT NULL")
        op.execute(
            "ALTER TABLE consent_events ADD COLUMN student_id INTEGER "
            "CONSTRAINT fk_consent_events_student_id_students REFERENCES students (id)"
        )
        op.execute("ALTER TABLE consent_events ADD COLUMN purpose VARCHAR(40) DEFAULT '' NOT NULL")
        return
    _made_anew(
        _KINDS,
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=True),
        sa.Column("purpose", sa.String(length=40), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["student_id"], ["students.id"], name="fk_consent_events_student_id_students"
        ),
    )


def _made_anew(kinds: tuple[str, ...], *more: sa.schema.SchemaItem) -> None:
    op.execute("ALTER TABLE consent_events RENAME TO consent_events_before")
    op.drop_index("ix_consent_events_phone_id")
    op.create_table(
        "consent_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phone_id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*kinds, name="kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("inbound_text_id", sa.Integer(), nullable=True),
        sa.Column("staff_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["inbound_text_id"], ["inbound_texts.id"], name="fk_consent_events_inbound_text_id_inbound_texts"
        ),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name="fk_consent_events_phone_id_phones"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_consent_events_staff_id_staff"),
        sa.PrimaryKeyConstraint("id", name="pk_consent_events"),
        *more,
    )
    op.execute(
        # Our own closed list of words, never anybody's input.
        "INSERT INTO consent_events (id, phone_id, kind, source, inbound_text_id, staff_id, at) "
        "SELECT id, phone_id, kind, source, inbound_text_id, staff_id, at FROM consent_events_before "
        f"WHERE {_is(kinds)}"
    )
    op.drop_table("consent_events_before")
    op.create_index("ix_consent_events_phone_id", "consent_events", ["phone_id"])


def _append_only(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION presente_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append only', TG_TABLE_NAME; END $$"
        )
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
    """Back to the tables before. What only this version can say (mutes, stops, pace) is gone with them."""
    postgresql = op.get_bind().dialect.name == "postgresql"
    for table in _APPEND_ONLY:
        names = (
            (table + "_append_only",)
            if postgresql
            else (f"{table}_append_only_update", f"{table}_append_only_delete")
        )
        for name in names:
            op.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if postgresql else ""))
    if postgresql:
        op.execute("DROP FUNCTION presente_append_only()")
    for table in ("ticks", "stops", "senders", "mutes"):
        op.drop_table(table)
    for index in ("ix_outbound_texts_in_doubt", "ix_outbound_texts_queued", "ix_outbound_texts_retry_of"):
        op.drop_index(index, "outbound_texts")
    for column in ("redacted_at", "raised_at", "retry_of", "left_as", "rank", "purpose_class"):
        op.execute(f"ALTER TABLE outbound_texts DROP COLUMN {column}")
    op.create_index("ix_outbound_texts_due", "outbound_texts", ["state", "not_before"])
    for index in ("ix_inbound_texts_waiting", "uq_inbound_texts_retry_token"):
        op.drop_index(index, "inbound_texts")
    for column in ("redacted_at", "incomplete", "retry_token"):
        op.execute(f"ALTER TABLE inbound_texts DROP COLUMN {column}")
    op.create_index("ix_inbound_texts_handled_at", "inbound_texts", ["handled_at"])
    if postgresql:
        for column in ("purpose", "student_id", "words"):
            op.execute(f"ALTER TABLE consent_events DROP COLUMN {column}")
        op.execute(f"DELETE FROM consent_events WHERE NOT ({_is(_KINDS_BEFORE)})")
        op.execute("ALTER TABLE consent_events DROP CONSTRAINT ck_consent_events_kind")
        op.execute(
            f"ALTER TABLE consent_events ADD CONSTRAINT ck_consent_events_kind CHECK ({_is(_KINDS_BEFORE)})"
        )
    else:
        _made_anew(_KINDS_BEFORE)
    for column in ("looked_up_at", "failures", "suspended"):
        op.execute(f"ALTER TABLE phones DROP COLUMN {column}")
