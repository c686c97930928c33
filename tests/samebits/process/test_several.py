"""Which variables say that several processes train together."""

import pytest

from samebits import UsageError
from samebits.process.several import SIZES, launched, refuse


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SIZES, "SLURM_NTASKS", "SLURM_PROCID", "RANK", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"WORLD_SIZE": "2", "RANK": "0"}, "WORLD_SIZE is 2: 2 processes train together"),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, "OMPI_COMM_WORLD_SIZE is 4: 4 processes"),
        ({"PMI_SIZE": "3"}, "PMI_SIZE is 3: 3 processes"),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, "SLURM_NTASKS is 2: 2 processes"),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "8", "SLURM_PROCID": "1"}, "SLURM_STEP_NUM_TASKS is"),
        ({"RANK": "1", "MASTER_ADDR": "localhost"}, "RANK is 1: 2 processes"),
    ],
)
def test_a_launcher_that_started_several(monkeypatch, variables: dict[str, str], says: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as refused:
        refuse(1)
    name = says.partition(" ")[0]
    assert str(refused.value).startswith(says)
    assert str(refused.value).endswith(f"If each of them trains a run of its own, unset {name}")


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost"},
        {"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1", "PMI_SIZE": "1"},
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},  # srun -n 1 in a larger job
        {"SLURM_NTASKS": "8"},  # salloc's shell
        {"RANK": "8"},  # of an adapter
        {"WORLD_SIZE": "", "PMI_SIZE": "many"},
    ],
)
def test_one_process_is_not_several(monkeypatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert launched() is None
    refuse(1)


def test_processes_that_the_framework_connected() -> None:
    with pytest.raises(UsageError, match="2 processes are connected and train together, and a run is of"):
        refuse(2)
