"""The operation that is to blame for a fault, where it is one: written before `samebits diff` was asked."""

import re
from dataclasses import dataclass
from pathlib import Path

from samebits.diff.records import Result


@dataclass(frozen=True)
class Expected:
    """An operation.

    Attributes:
        name: a regular expression.
        code: stands in the line of the script that calls it; of backward, that calls its forward pass.
    """

    name: str
    code: str

    def __str__(self) -> str:
        return f"{self.name} in {self.code}"


CONVOLUTION = r"aten::(mkldnn_)?convolution"
ADDS, MULTIPLIES = r"aten::_?(foreach_)?add_?(\..*)?", r"aten::_?(foreach_)?mul_?(\..*)?"

EXPECTED = {
    "another activation": Expected(r"aten::(relu|silu)_?", "self.norm(self.linear(x))"),
    "more dropout": Expected(r"aten::bernoulli_\.float|aten::native_dropout", "self.dropout("),
    "batch norm remembers less": Expected(r"aten::native_batch_norm", "self.norm(self.first(x))"),
    "less label smoothing": Expected(f"{ADDS}|{MULTIPLIES}|aten::div.*", "criterion(network("),
    "no class weights": Expected(rf"aten::nll_loss.*|{MULTIPLIES}", "criterion(network("),
    "a larger penalty": Expected(MULTIPLIES, "* net.out.weight.square()"),
    "the scaler begins at another scale": Expected(r"aten::full(_like)?|aten::fill_.*", "scaler.scale("),
    "autocast around the network": Expected(r"aten::_to_copy", "network(inputs)"),
    "a layer is frozen": Expected(r"aten::convolution_backward", "self.first(x)"),
    "gradients are not set to zero": Expected(ADDS, "judged.backward()"),
    "clipping at another norm": Expected(rf"{MULTIPLIES}|aten::(div|reciprocal).*", "clip_grad_norm_("),
    "a larger epsilon": Expected(ADDS, "optimizer.step()"),
    "one of two optimisers has other betas": Expected(r"aten::_?(foreach_)?lerp_\..*", "maker_optimizer."),
    "the average is slower": Expected(r"aten::lerp_\.Scalar", "kept.lerp_(new"),
    "the generator is not loaded": Expected(r"aten::bernoulli_\.float|aten::native_dropout", "self.dropout("),
    "index_put_ adds with two threads": Expected(r"aten::_?index_put(_impl)?_?", "total.index_put((film,)"),
    "oneDNN without AVX2": Expected(CONVOLUTION, "self.first(x)"),
    "convolutions without oneDNN": Expected(CONVOLUTION, "self.first(x)"),
}


def is_named(expected: Expected, result: Result, folders: tuple[Path, Path], script: str) -> bool:
    """Whether the verdict names the operation and its line.

    Args:
        expected: what is to be named.
        result: of the comparison.
        folders: of the two trainings, with their scripts.
        script: the name of the script.
    """
    part = result.place.part if result.place is not None else None
    if part is None or not re.fullmatch(expected.name, part.operation):
        return False
    for folder, line in zip(folders, (part.first["line"], part.second["line"]), strict=True):
        name, _, number = line.rpartition(":")
        code = (folder / script).read_text().splitlines()
        if name == script and 0 < int(number) <= len(code) and expected.code in code[int(number) - 1]:
            return True
    return False
