"""The state of the schedule is in no checkpoint."""

import torch


def save(path, model, optimizer, schedule):
    print(schedule.last_epoch)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
