"""A training that computes nothing, so that many fit into a second: it writes a recorder's lines, and saves.

`--save` says how it saves after each second step, and `--lose` what is not as before when it resumes.
"""

import argparse
import os
import pickle
import signal
import sys

sys.path.insert(0, os.environ["ROOT_OF_TESTS"])
from tests.samebits.diff import made

from samebits.record.stop import Stop
from samebits.record.writer import Writer

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=9)
parser.add_argument("--resume", default="")
parser.add_argument("--save", default="")
parser.add_argument("--lose", default="")
asked = parser.parse_args()
half = None  # a file that is being written


def save(step: int) -> None:
    """Write a checkpoint."""
    global half
    os.makedirs("out", exist_ok=True)
    if asked.save == "one at a time" and step > 2:
        os.unlink(f"out/step-{step - 2}.pkl")
    if asked.save == "slowly" and step == 6:
        half = open("out/step-6.pkl", "wb")  # noqa: SIM115 - is never closed
        half.write(pickle.dumps({"step": 6}))
        half.flush()
        return
    content = pickle.dumps({"step": step})
    if asked.save in ("in place", "renamed"):
        path = "out/last.pkl"
        with open(f"{path}.tmp" if asked.save == "renamed" else path, "wb") as file:
            file.write(content)
        if asked.save == "renamed":
            os.replace(f"{path}.tmp", path)
        return
    if asked.save == "cut" and step == 6:
        content = content[:-1]
    with open(f"out/step-{step}.pkl", "wb") as file:
        file.write(content)


def resumed() -> int:
    """The step from which it continues."""
    if asked.save == "by itself" and os.path.isdir("out"):
        return max(int(name[5:-4]) for name in os.listdir("out"))
    if not asked.resume or asked.lose == "the option":
        return 0
    with open(asked.resume, "rb") as file:
        return pickle.load(file)["step"]


def lose(event: dict, step: int) -> None:
    """Change what is lost."""
    if asked.lose == "the place":
        event["calls"][0].update(made.step(whole, 1)["calls"][0])
    elif asked.lose == "the schedule" and step > 6:
        event["lrs"] = [0.7]
    elif asked.lose == "the weights":
        event["calls"][0]["outputs"] = made.digest("of other weights", step)
    elif asked.lose == "the state":
        event["state"] = event["state"][::-1]


writer = Writer(os.environ["SAMEBITS_RECORD"], "step", 10**9)
writer.after_step = Stop(writer.folder, os.environ["SAMEBITS_RECORD_STOP"]).after
whole, begin, told = made.training(asked.steps, every=4), resumed(), []
if asked.lose == "the end":
    whole = made.training(asked.steps + begin, every=4)
if asked.save == "when asked":
    signal.signal(signal.SIGTERM, lambda *given: told.append(given))
elif asked.save == "never mind":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
step = begin
for event in whole[1:-1]:
    if asked.save == "noise" and event["event"] == "initial":
        event["parameters"] = made.digests("weights", os.urandom(4))
    if event["event"] == "initial" and begin:
        event["parameters"] = made.digests("weights", begin)
        if asked.lose == "the weights":
            event["parameters"] = made.put(event["parameters"], "0.bias")
        event["generators"] = made.generators(begin + 1)
    if event["event"] == "step":
        if event["step"] <= begin:
            continue
        step = event["step"]
        event["step"] -= begin
        if begin:
            lose(event, step)
    elif event["event"] == "evaluation":
        if event["after"]["0"] <= begin:
            continue
        event["after"]["0"] -= begin
    writer.write(event)
    if told:
        save(step)
        sys.exit(75)
    if event["event"] == "step" and step % 2 == 0 and asked.save not in ("nothing", "when asked"):
        save(step)
writer.close(None)
