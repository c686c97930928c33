#!/bin/sh
# Train on a Slurm cluster: sbatch deploy/slurm.sh [COMMAND [ARGUMENT]...], as for the image; from the repository's root.
#
#   sbatch deploy/slurm.sh train --epochs 5
#   RUNS=10 sbatch --time=00:10:00 deploy/slurm.sh smoke
#
# Runs in $SIF (samebits.sif) where there is one, otherwise in the clone's own environment. The job's exit status is the
# command's. A training that the time limit or a preemption interrupts is saved (status 75); the job goes back into the
# queue and, as the same command, resumes where it was.
#SBATCH --job-name=samebits
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gpus=1
#SBATCH --mem=16G
#SBATCH --time=01:00:00
#SBATCH --output=slurm-%j.out
# Two minutes before the time is over, to the training itself: it saves a checkpoint and ends.
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -eu

# How many threads the training uses is no matter of the allocation: SAMEBITS_THREADS decides it, since it decides bits. An
# OMP_NUM_THREADS that the site sets is replaced, and the job's output says so.

# In the image nobody sees how many tasks there are. A run is of one process.
if [ "${SLURM_NTASKS:-1}" -gt 1 ]; then
    echo "samebits: SLURM_NTASKS is $SLURM_NTASKS, and a run is of one process: sbatch --ntasks=1" >&2
    exit 2
fi
cd "${SLURM_SUBMIT_DIR:-.}"
sif=${SIF:-samebits.sif}
if [ ! -e "$sif" ] && [ ! -e .venv/.ready ]; then
    echo "samebits: there is no $sif and no environment in $PWD: build one as deploy/apptainer.def says, or run \`make env\`" >&2
    exit 2
fi

run() {
    status=0
    srun "$@" || status=$?
    if [ "$status" -eq 75 ] && [ -n "${SLURM_JOB_ID-}" ]; then
        scontrol requeue "$SLURM_JOB_ID"
    fi
    exit "$status"
}
if [ ! -e "$sif" ]; then
    run ./entrypoint "${@:-train}"
fi

# --containall lets no variable in: these are the ones that a run is told by, and the GPU that Slurm chose.
for name in FRAMEWORK DEVICE NET RUNS JOBS SAMEBITS_ALLOW SAMEBITS_THREADS CUDA_VISIBLE_DEVICES; do
    eval "value=\${$name-}"
    [ -z "$value" ] || export "APPTAINERENV_$name=$value"
done
run apptainer run --nv --containall --bind "$PWD:/workspace" --pwd /workspace "$sif" "$@"
