"""
### Train: supervised fine-tuning with TorchTune

Hands the newest release to a GPU node as a TorchTune job (`training/`) and waits for its checkpoint. The
configuration `tiny` trains a tiny Qwen2.5-architecture model on this machine's CPU; the others need GPUs and a model
folder (`training/README.md`).
"""

from datetime import timedelta

from airflow.sdk import Param, dag

from swemill_airflow.assets import CHECKPOINT
from swemill_airflow.defaults import dag_defaults
from swemill_airflow.train_operator import TrainOperator


@dag(
    dag_id="train",
    schedule=None,
    doc_md=__doc__,
    params={
        "config": Param(
            "tiny", type="string", minLength=1, title="Configuration", description="A file of training/configs."
        ),
        "overrides": Param(
            {},
            type="object",
            title="Overrides",
            description='Dotted keys of the configuration, such as {"epochs": 3}.',
        ),
        "nproc": Param(
            1,
            type="integer",
            minimum=1,
            maximum=64,
            title="Processes",
            description="One a GPU; 1 on this machine's CPU.",
        ),
    },
    **dag_defaults("training"),
)
def train() -> None:
    TrainOperator(
        task_id="train",
        config="{{ params.config }}",
        overrides="{{ params.overrides }}",
        nproc="{{ params.nproc }}",
        pool="gpu",
        execution_timeout=timedelta(days=6),
        outlets=[CHECKPOINT],
    )


train()
