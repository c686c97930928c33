"""What environment.yml asks for. Standard library alone, so it reads one entry a line and no other YAML."""

import re

ENVIRONMENT = "environment.yml"
LISTS = ("channels", "platforms", "dependencies", "pip")
COMMENT = re.compile(r"(^|\s)#.*")
PIP = re.compile(r"( *)- +pip: *")
ENTRY = re.compile(r"( *)- +(?!.*:(?: |$))(['\"]?)([^'\"\[{&*!|>%@`:].*?)\2")
KEY = re.compile(r"(\w+):(.*)")
FLOW = re.compile(r" *\[([^\[\]]*)\]")


def read(text: str) -> dict[str, list[str]]:
    """The lists of an environment.yml.

    Args:
        text: the file's.

    Returns:
        `channels`, `platforms`, `dependencies` (without pip's) and `pip`, of those that are there.

    Raises:
        ValueError: the first line that is not one entry of a list.
    """
    lists: dict[str, list[str]] = {}
    key, indent = "", 0  # of `- pip:`
    for whole in text.splitlines():
        line = COMMENT.sub("", whole).rstrip()
        if match := PIP.fullmatch(line):
            if "pip" in lists or key != "dependencies":
                raise ValueError(f"`{line.strip()}`: expected one `pip:` list, within `dependencies`")
            lists["pip"] = []
            key, indent = "pip", len(match[1])
        elif match := KEY.fullmatch(line):
            key = match[1]
            if key not in LISTS[:3]:
                continue
            flow = FLOW.fullmatch(match[2])
            if match[2].strip() and not flow:
                raise ValueError(f"`{line}`: expected one entry a line below `{key}:`, as in `  - ENTRY`")
            entries = flow[1].split(",") if flow else []
            lists[key] = [entry.strip(" '\"") for entry in entries if entry.strip()]
        elif key not in LISTS:  # what others may have there: a name, a prefix, variables
            continue
        elif match := ENTRY.fullmatch(line):
            if key == "pip" and len(match[1]) <= indent:
                key = "dependencies"
            lists[key].append(match[3])
        elif line:
            wanted = {"pip": "`- NAME==VERSION`", "dependencies": "`- NAME=VERSION` or the one `pip:` list"}
            expected = wanted.get(key, "`- ENTRY`")
            raise ValueError(f"`{line.strip()}` below `{key}:`: expected one entry a line, {expected}")
    return lists
