"""All that speaks Airflow and is no DAG: assets, defaults, operators, the steps that DAGs share."""
