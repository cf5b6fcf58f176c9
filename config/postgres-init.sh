#!/bin/sh
# Run once by the Postgres image on an empty volume: a role and a database each for the facts, Airflow's metadata and
# Celery's results, so that a worker's credentials open only what it needs.
set -eu
for name in swemill airflow celery; do
  password="$(eval "printf %s \"\$$(echo "$name" | tr '[:lower:]' '[:upper:]')_DB_PASSWORD\"")"
  psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --set "password=$password" <<SQL
CREATE ROLE $name LOGIN PASSWORD :'password';
CREATE DATABASE $name OWNER $name ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE $name FROM PUBLIC;
SQL
done
