"""The embedded set-up: everything one machine needs for a pass of the pipeline, from programs of this checkout alone.

It starts PostgreSQL, a Docker engine and Airflow as processes of their own and speaks to Airflow over its REST API;
it imports neither Airflow nor torch.
"""
