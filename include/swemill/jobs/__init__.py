"""Load -> stage -> save: what a DAG task or the CLI calls. Each job takes subjects and returns ids and counts."""
