#!/bin/sh
# The training as a Slurm job: sbatch slurm.sh [OPTION]..., from this folder, after `make env` on a node that sees it.
#
#   sbatch slurm.sh --epochs 5
#   sbatch --time=00:10:00 --gpus=0 slurm.sh --device cpu
#
# A training that the time limit or a preemption stops has saved a checkpoint (status 75). The job goes back into the
# queue and resumes there.
#SBATCH --job-name={{ cookiecutter.__slug }}
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gpus=1
#SBATCH --mem=16G
#SBATCH --time=01:00:00
#SBATCH --output=slurm-%j.out
# Two minutes before the time is over: the training saves a checkpoint and ends.
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
cd "${SLURM_SUBMIT_DIR:-.}" || exit 2
status=0
module="{{ cookiecutter.package_name }}.train{{ '_torch' if cookiecutter.framework == 'both' }}"
srun ./entrypoint python -m "$module" "$@" || status=$?
[ "$status" -ne 75 ] || scontrol requeue "$SLURM_JOB_ID"
exit "$status"
