"""Several processes that train together: a run is of one process, so all of them are refused.

Each launcher says in a variable how many processes it started. A process that only looks whether the run's
folder is free would let the first one train alone, on its part of the data.
"""

import os

from samebits.errors import UsageError

SIZES = (  # the number of processes
    "WORLD_SIZE",  # torchrun, Accelerate, DeepSpeed
    "OMPI_COMM_WORLD_SIZE",  # Open MPI's mpirun
    "PMI_SIZE",  # MPICH's and Intel's mpirun
    "MV2_COMM_WORLD_SIZE",  # MVAPICH
    "HOROVOD_SIZE",  # horovodrun
    "JSM_NAMESPACE_SIZE",  # jsrun
    "SLURM_STEP_NUM_TASKS",  # srun
)


def launched() -> tuple[str, int] | None:
    """The variable by which a launcher says that it started several processes, and their number; else None.

    SLURM_NTASKS is of a whole job, and SLURM_STEP_NUM_TASKS of the step that srun started in it.
    """
    names = list(SIZES)
    if "SLURM_PROCID" in os.environ and "SLURM_STEP_NUM_TASKS" not in os.environ:
        names.append("SLURM_NTASKS")
    for name in names:
        number = os.environ.get(name, "").strip()
        if number.isdecimal() and int(number) > 1:
            return name, int(number)
    rank = os.environ.get("RANK", "")  # alone, it may mean anything, such as the rank of an adapter
    if "MASTER_ADDR" in os.environ and not os.environ.get("WORLD_SIZE") and rank.isdecimal() and int(rank):
        return "RANK", int(rank) + 1
    return None


def refuse(connected: int) -> None:
    """Refuse a run in one of several processes that train together.

    Args:
        connected: how many processes the framework has connected; 1: it has not.

    Raises:
        UsageError: in each of them, naming what says so.
    """
    if (several := launched()) is not None:
        name, number = several
        raise UsageError(
            f"{name} is {os.environ[name]}: {number} processes train together, and a run is of one process: "
            f"start one only. If each of them trains a run of its own, unset {name}"
        )
    if connected > 1:
        raise UsageError(
            f"{connected} processes are connected and train together, and a run is of one process: start "
            "one only"
        )
