"""The portable profile in torch: operations without the C library's float32 mathematics.

glibc 2.41 has new float32 functions for acos, acosh, asin, asinh, atan, atan2, atanh, cbrt, cosh, erf, erfc,
expm1, lgamma, log10, log1p, sinh, tan, tanh and tgamma, so the bits of what calls them depend on the C
library's version. The float64 functions are the same in 2.36 and 2.41. So what calls them for every number is
computed in float64 and rounded once, which is right in all but one of some hundred million float32 numbers,
whichever C library computes it. Others call them only for the last few elements of a tensor, or of a thread's
share of it, or for a strided one, where torch's vector instructions do not reach: those get whole vectors.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch

# Found by a library that stood between torch and the C library and counted the calls of every operation.
FOR_EVERY_NUMBER = (
    *("acosh", "asinh", "atanh", "sinh", "cosh", "atan2", "logaddexp", "logaddexp2", "binary_cross_entropy"),
    *("erfinv", "igamma", "igammac", "polygamma", "_logcumsumexp", "special_log_ndtr", "special_xlog1py"),
    "special_chebyshev_polynomial_t",
    *(f"special_shifted_chebyshev_polynomial_{kind}" for kind in "tuvw"),
)
FOR_COMPLEX = (
    *("acos", "angle", "asin", "atan", "cos", "expm1", "log", "log10", "log1p", "log2", "pow", "sin", "sinc"),
    *("tan", "tanh"),
)
FOR_THE_LAST_FEW = ("gelu", "gelu_backward", "elu", "softplus", "mish", "mish_backward")
NARROW = (torch.float16, torch.bfloat16, torch.float32, torch.complex64)
VECTORS = 32  # elements, of two bytes, that torch's AVX2 loops take at once; of four bytes they take 16
GRAIN = 32768  # elements (at::internal::GRAIN_SIZE): torch gives no thread less

Kernel = Callable[..., Any]


def kernels() -> Iterator[tuple[str, Kernel]]:
    """Every kernel of those operations, and what takes its place: called with the kernel and its arguments.

    They are named as torch does, "acosh", "acosh_" and "acosh.out".
    """
    for name in sorted(torch._C._dispatch_get_registrations_for_dispatch_key("CPU")):
        namespace, _, kernel = name.partition("::")
        if namespace == "aten" and (function := _replacement(kernel)):
            yield kernel, function


def _replacement(kernel: str) -> Kernel | None:
    packet, _, overload = kernel.partition(".")
    operation = packet.removesuffix("_")
    if operation in FOR_COMPLEX:
        concerns, compute = _is_complex, _in_float64
    elif operation in FOR_EVERY_NUMBER:
        concerns, compute = _is_narrow, _in_float64
    elif operation in FOR_THE_LAST_FEW:
        concerns, compute = _is_broken, _in_whole_vectors
    else:
        return None
    functional = getattr(torch.ops.aten, operation)
    if "out" in overload or overload == "grad_input":
        compute = functools.partial(_out, functional)
    elif packet != operation:
        compute = functools.partial(_in_place, functional)
    schema = getattr(getattr(torch.ops.aten, packet), overload or "default")._schema
    tensors = [isinstance(argument.type, torch.TensorType) for argument in schema.arguments]

    def function(original: Kernel, *args: Any, **named: Any) -> Any:
        def called(*args: Any, **named: Any) -> Any:
            return original(*map(_as_tensor, args, tensors), **named)

        return compute(called, *args, **named) if concerns(*args) else called(*args, **named)

    return function


def _as_tensor(value: Any, wanted: bool) -> Any:
    """Where torch makes a tensor of a number by itself, kernels in Python are given the number."""
    if not wanted or not isinstance(value, int | float | complex):
        return value
    wide = {float: torch.float64, complex: torch.complex128}
    return torch.tensor(value, dtype=wide.get(type(value)))


def _in_place(function: Kernel, original: Kernel, self: torch.Tensor, *args: Any, **named: Any) -> Any:
    result = function(self, *args, **named)
    if (result.dtype, result.shape) != (self.dtype, self.shape):  # the original says what is wrong with that
        return original(self, *args, **named)
    return self.copy_(result)


def _out(function: Kernel, original: Kernel, *args: Any, **named: Any) -> Any:
    key = "grad_input" if "grad_input" in named else "out"
    out = named.pop(key)
    result = function(*args, **named)  # before `out` is written: it may be an input
    original(*args, **named, **{key: out})  # checks and resizes it
    return out.copy_(result)


# ---------------------------------------------------------------- in float64


def _type(*args: Any) -> torch.dtype:
    """The type of the result, or of its real and imaginary parts together, by torch's rules."""
    first, *others = (
        argument for argument in args[:2] if isinstance(argument, torch.Tensor | int | float | complex)
    )
    return torch.result_type(first, others[0] if others else first)


def _is_complex(*args: Any) -> bool:
    return any(isinstance(argument, torch.Tensor) and argument.is_complex() for argument in args) and (
        _type(*args) == torch.complex64
    )


def _is_narrow(*args: Any) -> bool:
    dtype = _type(*args)
    inexact = dtype.is_floating_point or dtype.is_complex
    return (dtype if inexact else torch.get_default_dtype()) in NARROW


def _wide(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(torch.complex128 if value.is_complex() else torch.float64)


def _in_float64(original: Kernel, *args: Any, **named: Any) -> Any:
    dtype = _type(*args)
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.get_default_dtype()
    result = original(*map(_wide, args), **{name: _wide(value) for name, value in named.items()})
    return result.to(dtype if result.is_complex() else dtype.to_real())


# ---------------------------------------------------------------- in whole vectors


def _whole(size: int) -> int:
    """How many elements make whole vectors for every thread that torch then takes; at least `size`."""
    while True:
        threads = min(torch.get_num_threads(), -(-size // GRAIN)) or 1
        if size % (VECTORS * threads) == 0:
            return size
        size += VECTORS * threads - size % (VECTORS * threads)


def _is_broken(*args: Any) -> bool:
    tensors = [argument for argument in args if isinstance(argument, torch.Tensor)]
    if tensors[0].dtype not in NARROW or any(tensor.shape != tensors[0].shape for tensor in tensors):
        return False  # shapes that do not fit are refused
    alike = any(
        all(tensor.is_contiguous(memory_format=layout) for tensor in tensors)
        for layout in (torch.contiguous_format, torch.channels_last, torch.channels_last_3d)
    )
    return not alike or _whole(tensors[0].numel()) != tensors[0].numel()


def _in_whole_vectors(original: Kernel, *args: Any, **named: Any) -> Any:
    first: torch.Tensor = args[0]
    size = first.numel()

    def filled(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        vectors = value.new_zeros(_whole(size))
        vectors[:size].view(first.shape).copy_(value)
        return vectors

    result = original(*map(filled, args), **named)
    return torch.empty_like(first).copy_(result[:size].view(first.shape))
