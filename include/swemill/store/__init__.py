"""PostgreSQL: the only place with SQL. ``engine`` connects and claims, ``facts`` inserts, ``pending`` finds work,
``report`` counts and explains."""

from swemill.store.engine import Store

__all__ = ["Store"]
