"""rounds: every run of a validation, flaky tests, and what admission found out

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("validation", sa.Column("strength", sa.Float(), nullable=True))
    op.add_column("validation", sa.Column("labels", JSONB(), nullable=False, server_default="[]"))
    op.alter_column("validation", "labels", server_default=None)
    op.create_table(
        "test_execution",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("attempt_id", sa.BigInteger(), sa.ForeignKey("attempt.id"), nullable=False),
        sa.Column("environment_id", sa.BigInteger(), sa.ForeignKey("environment.id"), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("round", sa.BigInteger(), nullable=False),
        sa.Column("order_seed", sa.Text(), nullable=False),
        sa.Column("passed", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("report_blob", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
    )
    op.create_index(op.f("ix_test_execution_attempt_id"), "test_execution", ["attempt_id"])
    op.create_index(op.f("ix_test_execution_environment_id"), "test_execution", ["environment_id"])
    op.create_table(
        "flake",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("attempt_id", sa.BigInteger(), sa.ForeignKey("attempt.id"), nullable=False),
        sa.Column("environment_id", sa.BigInteger(), sa.ForeignKey("environment.id"), nullable=False),
        sa.Column("instance_id", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("test", sa.Text(), nullable=False),
        sa.Column("passes", sa.BigInteger(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
    )
    op.create_index(op.f("ix_flake_attempt_id"), "flake", ["attempt_id"])
    op.create_index(op.f("ix_flake_instance_id"), "flake", ["instance_id"])


def downgrade() -> None:
    op.drop_table("flake")
    op.drop_table("test_execution")
    op.drop_column("validation", "labels")
    op.drop_column("validation", "strength")
