"""test_runner: what an environment's suite is run with

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("environment", sa.Column("test_runner", sa.Text(), nullable=False, server_default="pytest"))
    op.alter_column("environment", "test_runner", server_default=None)


def downgrade() -> None:
    op.drop_column("environment", "test_runner")
