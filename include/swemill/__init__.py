"""SWE-Mill: GitHub in, execution-validated training data and a better model out.

This package is the work itself. It knows neither Airflow (see ``dags/`` and ``plugins/``) nor torch (``training/``).
"""
