"""reprocess: attempts that somebody asked to be made again

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reprocess_request",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("attempt_id", sa.BigInteger(), sa.ForeignKey("attempt.id"), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_reprocess_request_attempt_id")),
    )


def downgrade() -> None:
    # Attempts that were made again stay: they are facts under effect keys of their own, and the newest one counts.
    op.drop_table("reprocess_request")
