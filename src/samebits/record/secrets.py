"""Words of a command that look like secrets: a record goes to other people, so it does not hold them."""

import itertools
import re
from collections.abc import Sequence

MASK = "***"
NAMES = {
    *("apikey", "auth", "credential", "credentials"),
    *("passphrase", "passwd", "password", "pwd", "secret", "token"),
}
PAIRS = {("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key")}
HARMLESS = {"bos", "cls", "eos", "mask", "max", "pad", "sep", "special", "unk"}  # tokens of a text
VALUES = re.compile(
    r"\b(?:hf_|sk-|gh[opsu]_|github_pat_|glpat-|xox[abp]-|AKIA|ASIA|ya29\.|eyJ[\w-]+\.)[\w.-]{8,}"
    r"|(?<=://)[^/@\s]+(?=@)"  # user and password of an address
)


def masked(words: Sequence[str]) -> list[str]:
    """A command in which MASK stands for what looks like a secret.

    That is the value of an option or a variable whose name says so (`--api-key X`, `--password=X`,
    `WANDB_API_KEY=X`), the tokens of well-known services, and the user and password of an address.

    Args:
        words: the command.
    """
    shown, secret = [], False
    for word in words:
        name, equals, value = word.partition("=")
        if secret and not word.startswith("-"):
            shown.append(MASK)
            secret = False
            continue
        named = _names_a_secret(name)
        secret = named and not equals and word.startswith("-")
        shown.append(f"{name}={MASK}" if named and value else VALUES.sub(MASK, word))
    return shown


def _names_a_secret(name: str) -> bool:
    if not re.fullmatch(r"[\w.-]{1,60}", name):
        return False
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().strip("-").replace("-", "_").replace(".", "_")
    words = parts.split("_")
    if HARMLESS & {*words}:
        return False
    return bool(NAMES & {*words}) or any(pair in PAIRS for pair in itertools.pairwise(words))
