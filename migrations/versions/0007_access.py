"""Sign-in: a second factor, failures, a foreign identity; an audit log that says before and after."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SESSION_COLUMNS = (
    (
        "way",
        (
            "VARCHAR(40) DEFAULT 'password' NOT NULL CONSTRAINT ck_staff_sessions_way "
            "CHECK (way IN ('password', 'district', 'demo'))"
        ),
    ),
    ("browser", "VARCHAR(80) DEFAULT '' NOT NULL"),
)
_NEW = (
    "password_links",
    "second_factors",
    "recovery_codes",
    "sign_in_failures",
    "known_browsers",
    "kept_forms",
)


def upgrade() -> None:
    for column in ("oidc_issuer", "oidc_subject"):
        op.execute(f"ALTER TABLE staff ADD COLUMN {column} VARCHAR(255)")
    op.create_index("uq_staff_oidc_subject", "staff", ["oidc_issuer", "oidc_subject"], unique=True)
    for name, column in _SESSION_COLUMNS:
        op.execute(f"ALTER TABLE staff_sessions ADD COLUMN {name} {column}")
    _of_a_staff_member(
        "password_links",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        _staff_id(),
        _instant("made_at"),
        _instant("expires_at"),
        _instant("used_at", nullable=True),
        key=("token_hash",),
    )
    op.create_index("ix_password_links_staff_id", "password_links", ["staff_id"])
    _of_a_staff_member(
        "second_factors",
        _staff_id(),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        _instant("made_at"),
        _instant("confirmed_at", nullable=True),
        sa.Column("last_step", sa.Integer(), nullable=False),
        key=("staff_id",),
    )
    _of_a_staff_member(
        "recovery_codes",
        _staff_id(),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        _instant("used_at", nullable=True),
        key=("staff_id", "code_hash"),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        _instant("at"),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_failures"),
    )
    op.create_index("ix_sign_in_failures_at", "sign_in_failures", ["at"])
    op.create_index("ix_sign_in_failures_tried", "sign_in_failures", ["address_hash", "at"])
    _of_a_staff_member(
        "known_browsers",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        _staff_id(),
        _instant("seen_at"),
        key=("token_hash", "staff_id"),
    )
    op.create_index("ix_known_browsers_seen_at", "known_browsers", ["seen_at"])
    _of_a_staff_member(
        "kept_forms",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        _staff_id(),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _instant("at"),
        key=("token_hash",),
    )
    op.create_index("ix_kept_forms_staff_id", "kept_forms", ["staff_id"])
    op.create_index("ix_kept_forms_at", "kept_forms", ["at"])

    with op.batch_alter_table("audit_log") as log:
        # A try to sign in as nobody, or an act at the command line, has no staff member.
        log.alter_column("staff_id", existing_type=sa.Integer(), nullable=True)
        log.add_column(sa.Column("student_id", sa.Integer(), nullable=True))
        log.add_column(sa.Column("school_id", sa.Integer(), nullable=True))
        log.add_column(sa.Column("before", sa.Text(), server_default="", nullable=False))
        log.add_column(sa.Column("after", sa.Text(), server_default="", nullable=False))
        log.create_foreign_key("fk_audit_log_student_id_students", "students", ["student_id"], ["id"])
        log.create_foreign_key("fk_audit_log_school_id_schools", "schools", ["school_id"], ["id"])
    op.execute(
        "UPDATE audit_log SET school_id = "
        "(SELECT school_id FROM conversations WHERE conversations.id = audit_log.conversation_id)"
    )
    op.create_index("ix_audit_log_student_id", "audit_log", ["student_id"])
    op.create_index("ix_audit_log_school_id_at", "audit_log", ["school_id", "at"])
    op.create_index("ix_audit_log_at", "audit_log", ["at"])
    if _is_postgresql():  # presente_append_only() is from 0003
        op.execute(
            "CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log "
            "FOR EACH ROW EXECUTE FUNCTION presente_append_only()"
        )
    else:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_log_append_only_{act.lower()} BEFORE {act} ON audit_log "
                "BEGIN SELECT RAISE(ABORT, 'audit_log is append only'); END"
            )


def downgrade() -> None:
    """Back to passwords alone. Lines of the audit log that no staff member wrote are gone with it."""
    if _is_postgresql():
        op.execute("DROP TRIGGER audit_log_append_only ON audit_log")
    else:
        for act in ("update", "delete"):
            op.execute(f"DROP TRIGGER audit_log_append_only_{act}")
    op.execute("DELETE FROM audit_log WHERE staff_id IS NULL")
    for index in ("ix_audit_log_at", "ix_audit_log_school_id_at", "ix_audit_log_student_id"):
        op.drop_index(index, "audit_log")
    with op.batch_alter_table("audit_log") as log:
        log.drop_constraint("fk_audit_log_student_id_students", type_="foreignkey")
        log.drop_constraint("fk_audit_log_school_id_schools", type_="foreignkey")
        for column in ("after", "before", "school_id", "student_id"):
            log.drop_column(column)
        log.alter_column("staff_id", existing_type=sa.Integer(), nullable=False)
    for table in reversed(_NEW):
        op.drop_table(table)
    for name, _ in reversed(_SESSION_COLUMNS):
        op.execute(f"ALTER TABLE staff_sessions DROP COLUMN {name}")
    op.drop_index("uq_staff_oidc_subject", "staff")
    for column in ("oidc_subject", "oidc_issuer"):
        op.execute(f"ALTER TABLE staff DROP COLUMN {column}")


def _of_a_staff_member(table: str, *columns: sa.Column[object], key: tuple[str, ...]) -> None:
    op.create_table(
        table,
        *columns,
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=f"fk_{table}_staff_id_staff"),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{table}"),
    )


def _staff_id() -> "sa.Column[object]":
    return sa.Column("staff_id", sa.Integer(), nullable=False)


def _instant(name: str, *, nullable: bool = False) -> "sa.Column[object]":
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
