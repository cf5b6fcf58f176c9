"""torchrun, bound to the life of the launcher and binding its workers to its own.

The arguments are torchrun's own: `python -m training.elastic --standalone --nproc-per-node 8 -m
training.recipe --config X`.
"""

import os

from training.lifeline import PARENT, die_with_parent

if __name__ == "__main__":
    die_with_parent()
    os.environ[PARENT] = str(os.getpid())

    from torch.distributed.run import main

    main()
