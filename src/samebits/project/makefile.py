"""The Makefile's targets: whole for a project without a Makefile, else those that it lacks."""

import re

HEAD = "# Each target goes through ./entrypoint, which sets what decides bits before Python starts.\n"
TARGETS = {  # name: its command, and what it does
    "doctor": ("samebits doctor", "what is right and wrong here"),
    "train": ("$(TRAIN) $(ARGS)", 'train once (ARGS="--epochs 5")'),
    "smoke": ("samebits smoke $(TRAIN) $(ARGS)", "train twice, interrupt the second, compare the bits"),
    "lint": ("samebits lint .", "what in the code will not repeat"),
}


def makefile(script: str) -> str:
    """The whole file, for a project whose training is `python SCRIPT`."""
    return HEAD + missing("", script)


def missing(text: str, script: str) -> str:
    """The lines that a Makefile of this text lacks; empty where it has them all.

    A target whose name is used for something else is offered as `samebits-NAME`: make would drop the first.
    """
    lines = []
    for name, (command, what) in TARGETS.items():
        if re.search(rf"^(samebits-)?{name}\s*:.*\n\t.*\./entrypoint", text, re.MULTILINE):
            continue
        taken = re.search(rf"^{name}\s*:", text, re.MULTILINE)
        name = f"samebits-{name}" if taken else name
        lines.append(f".PHONY: {name}\n{name}:  ## {what}\n\t@./entrypoint {command}\n")
    if lines and not re.search(r"^TRAIN\b", text, re.MULTILINE):
        lines.insert(0, f"TRAIN ?= python {script}\n")
    return "\n".join(lines)
