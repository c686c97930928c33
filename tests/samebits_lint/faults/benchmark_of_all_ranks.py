"""Each rank sets its seeds, and the benchmark."""

import torch
import torch.multiprocessing as mp


def main_worker(gpu, config):
    torch.manual_seed(config["SEED"])
    torch.cuda.manual_seed_all(config["SEED"])
    torch.backends.cudnn.benchmark = True


if __name__ == "__main__":
    mp.spawn(main_worker, nprocs=2, args=({"SEED": 1},))
