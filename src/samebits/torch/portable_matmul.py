"""Matrix products in the portable profile: NumPy's, on the CPU.

The only branch that MKL takes on every maker's CPUs is its SSE2 code, some three times as slow as its others.
NumPy's OpenBLAS, pinned to its AVX2 kernels, cuts and adds in one order everywhere. Which of the two computes
a product is decided by its shape and type alone, and how threads share it by those and their number.
"""

import functools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

REAL = (torch.float32, torch.float64)
SMALLEST = 2**18  # multiplications: below, the way through Python costs more than OpenBLAS saves
THINNEST = 8  # rows and columns of a result: below, MKL is no slower
SHARED = 2**23  # multiplications from which the threads share them
ATTENTION = 2**22  # multiplications of queries with keys from which attention is made of products,
LONGEST = 2**18  # unless a head has more scores than this,
MOST_SCORES = 2**24  # or all heads of the batch together: they are held in memory

_pool = functools.cache(ThreadPoolExecutor)
os.register_at_fork(after_in_child=_pool.cache_clear)  # threads do not live in a child


def kernels() -> Iterator[tuple[str, Callable[..., torch.Tensor]]]:
    """(name, kernel) of each overload that is routed; a kernel takes torch's own one and its arguments."""
    for name, dimensions in (("mm", 2), ("bmm", 3)):
        yield name, functools.partial(_multiply, dimensions)
        yield f"{name}.out", functools.partial(_multiply_out, dimensions)
    for name, dimensions in (("addmm", 2), ("baddbmm", 3)):
        for form in ("", "_", ".out"):
            yield f"{name}{form}", functools.partial(_add, dimensions, form)


def is_routed(dimensions: int, a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether NumPy multiplies these; what torch would refuse is left to torch."""
    return (
        a.dim() == b.dim() == dimensions
        and a.size(-2) * b.numel() >= SMALLEST
        and a.dtype in REAL
        and a.dtype == b.dtype
        and a.shape[:-2] == b.shape[:-2]
        and a.size(-1) == b.size(-2)
        and min(a.size(-2), b.size(-1)) >= THINNEST
        and not (a.has_names() or b.has_names())
    )


def _multiply(dimensions: int, original: Callable[..., Any], a: torch.Tensor, b: torch.Tensor) -> Any:
    return product(a, b) if is_routed(dimensions, a, b) else original(a, b)


def _multiply_out(
    dimensions: int, original: Callable[..., Any], a: torch.Tensor, b: torch.Tensor, *, out: torch.Tensor
) -> Any:
    if not is_routed(dimensions, a, b):
        return original(a, b, out=out)
    result = product(a, b)  # before `out` is written: it may be one of the two
    original(*_emptied(a, b), out=out)  # checks and resizes it
    return out.copy_(result)


def _add(
    dimensions: int,
    form: str,
    original: Callable[..., Any],
    self: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    *,
    alpha: Any = 1,
    **named: Any,
) -> Any:
    """beta · self + alpha · a b: a new tensor, `self` itself or `out`."""
    if alpha == 0 or not is_routed(dimensions, a, b):
        return original(self, a, b, alpha=alpha, **named)
    result = product(a, b)
    plain = form == "" and not named and alpha == 1
    if plain and self.dtype == a.dtype and self.shape == result.shape[-1:]:
        return result.add_(self)  # a layer's bias
    scaled = original(self, *_emptied(a, b), alpha=alpha, **named)
    return scaled.add_(result, alpha=+alpha)  # True is refused here alone


def _emptied(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Factors without anything to sum: torch's checks, and zeros, in next to no time."""
    return a[..., :0], b[..., :0, :]


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The product of two matrices, or of two equally long batches of them."""
    result = a.new_empty(*a.shape[:-1], b.shape[-1])
    left, right, target = a.detach().numpy(), b.detach().numpy(), result.numpy()
    threads = torch.get_num_threads()
    if threads == 1 or a.shape[-2] * b.numel() < SHARED:
        _compute(left, right, target)
        return result
    # As many equal shares as torch has threads: of the batch, of the rows or of the columns.
    axes: tuple[int | None, int | None, int] = (0, 0, 0)
    if a.dim() == 2 or len(a) < threads:
        axes = (-2, None, -2) if a.shape[-2] >= b.shape[-1] else (None, -1, -1)
    shares = (
        [whole] * threads if axis is None else np.array_split(whole, threads, axis)
        for whole, axis in zip((left, right, target), axes, strict=True)
    )
    list(_pool(threads).map(_compute, *shares))
    return result


def _compute(left: Any, right: Any, target: Any) -> None:
    with np.errstate(all="ignore"):
        np.matmul(left, right, out=target)


def attention(
    original: Callable[..., Any],
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **named: Any,
) -> Any:
    """Attention made of products, in place of the kernel that calls MKL by itself, where that pays."""
    given = (query, key, value)
    if (
        not all(tensor.dim() == 4 and tensor.dtype == query.dtype in REAL for tensor in given)
        or (attn_mask is not None and is_causal)
        or not torch._C._get_math_sdp_enabled()
        or not _pays(query, key)
    ):
        return original(*given, attn_mask, dropout_p, is_causal, **named)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(~attn_mask, -torch.inf)
    made_of_products = torch.ops.aten._scaled_dot_product_attention_math
    return made_of_products(*given, attn_mask, dropout_p, is_causal, None, **named)[0]


def _pays(query: torch.Tensor, key: torch.Tensor) -> bool:
    each = query.size(-2) * key.size(-2)
    scores = each * query.size(0) * query.size(1)
    return scores * query.size(-1) >= ATTENTION and each <= LONGEST and scores <= MOST_SCORES
