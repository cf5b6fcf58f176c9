"""Assets say "new facts exist". A consumer asks the store what is pending; it never counts events."""

from airflow.sdk import Asset

INSTANCES = Asset("swemill://instances", group="swemill")
ENVIRONMENTS = Asset("swemill://environments", group="swemill")
VALIDATIONS = Asset("swemill://validations", group="swemill")
ROLLOUTS = Asset("swemill://rollouts", group="swemill")
JUDGEMENTS = Asset("swemill://judgements", group="swemill")
DATASET = Asset("swemill://dataset", group="swemill")
CHECKPOINT = Asset("swemill://checkpoint", group="swemill")
EVALUATIONS = Asset("swemill://evaluations", group="swemill")
"""An asset's name is its URI; the UI's graph shows the chain from harvest to validation."""
