"""How many facts a database holds: what must stay the same when finished work is asked for again."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from swemill.models import Base, Incident


def fact_counts(session: Session) -> dict[str, int]:
    """Rows per table of facts (incidents are observations and left out)."""
    tables = [table for table in Base.metadata.sorted_tables if table.name != Incident.__tablename__]
    return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}
