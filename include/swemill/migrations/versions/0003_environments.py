"""environments: three image levels, how to make them again

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Environments of before were made in one step; their images can still be used, but not be made again.
    op.add_column("environment", sa.Column("environment_image", sa.Text(), nullable=False, server_default=""))
    op.add_column("environment", sa.Column("plans_blob", sa.Text(), nullable=True))
    op.alter_column("environment", "environment_image", server_default=None)


def downgrade() -> None:
    for column in ("plans_blob", "environment_image"):
        op.drop_column("environment", column)
