#!/bin/bash
# Four machines with eight GPUs each: sbatch examples/slurm.sh. A job that is requeued goes on with its run.
#SBATCH --job-name=convatlas
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --requeue
# The ranks get SIGTERM two minutes before the end: the run stops after its step and is kept.
#SBATCH --signal=TERM@120
set -euo pipefail

DATA=/shared/images
RUN=/shared/runs/resnet50-$SLURM_JOB_ID

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
# A folder that holds a run already is gone on with.
what=(resnet50 "$DATA")
if [[ -e $RUN/run.json ]]; then
    what=(--resume)
fi

srun torchrun \
    --nnodes "$SLURM_NNODES" --nproc-per-node 8 --max-restarts 3 \
    --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$first:29500" \
    -m convatlas train "${what[@]}" --out "$RUN" --device cuda --workers 8
