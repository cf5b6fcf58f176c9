"""One verb a module: pure functions over values and ports. No database, no Airflow, no adapter is known here."""
