"""The portable profile in torch: operations whose kernels differ by CPU, computed by others that do not.

MKL's vector mathematics begins some functions with the CPU's own approximation of a reciprocal or of a
reciprocal square root (`rcpps`, `rsqrtps`), which Intel and AMD do not make alike; its Cholesky factorisation
of float32 does, too. Those functions are routed here: the square root to NumPy's, which is correctly rounded
as IEEE 754 asks, the others to the C library's in float64, the factorisation to that in float64.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from samebits.process import started
from samebits.process.portable_versions import refuse_unshown
from samebits.torch import libm, portable_matmul

VERSIONS = {"torch": ("2.10.0",)}  # with which the profile was shown
ROUTED = {
    "sqrt": np.sqrt,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "tan": np.tan,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
}
REFUSED = {  # what cannot be made portable: as torch's messages name it, and what to use instead
    "triangular_solve of a sparse matrix": "torch.linalg.solve_triangular of a dense one",
    "lstsq with the driver 'gelsy'": "the driver 'gelsd'",
}
UNAFFECTED = {("log", torch.float32)}  # begins with no approximation
NOT_PORTABLE = " has no kernel in the profile portable"
REAL = (torch.float32, torch.float64)

_library: torch.library.Library | None = None  # what is registered lasts as long as this object


def route() -> None:
    """Register the kernels that do not differ by CPU, once; autograd, in-place and `out=` still work.

    Does nothing in the profile `run`.

    Raises:
        UsageError: the profile was not shown with the installed version of torch or NumPy.
    """
    global _library
    if _library is not None or started.profile() != "portable":
        return
    refuse_unshown(VERSIONS)
    torch.backends.quantized.engine = "qnnpack"  # the others choose their integer kernels by CPU
    _library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s).*[Oo]verriding a previously registered kernel")
        for name, function in libm.kernels():  # first: those below take the place of some, and call them
            _register(name, function)
        for name, ufunc in ROUTED.items():
            _register(name, functools.partial(_function, name, ufunc))
            _register(f"{name}_", functools.partial(_in_place, name, ufunc))
            _register(f"{name}.out", functools.partial(_out, name, ufunc))
        _register("pow.Tensor_Scalar", _pow)
        _register("pow_.Scalar", _pow_in_place)
        _register("pow.Tensor_Scalar_out", _pow_out)
        for name, kernel in portable_matmul.kernels():
            _register(name, kernel)
        _register("linalg_cholesky_ex", _factor)
        _register("linalg_cholesky_ex.L", _factor_out)
        _register("cholesky", _old_cholesky)
        _register("cholesky.out", _old_cholesky_out)
        _register("linalg_lstsq.out", _least_squares)
        _register("triangular_solve.X", _refuse_sparse, "SparseCsrCPU")
        # Made of other operations, with autograd and without. With autograd first: what is found there is a
        # fallback that warns, once there is a kernel without.
        for key in ("AutogradCPU", "CPU"):
            _register("scaled_dot_product_attention", portable_matmul.attention, key)


def explain(error: BaseException) -> str | None:
    """One line about an operation that the profile `portable` refuses; None if the error is about another."""
    named = str(error).removesuffix(NOT_PORTABLE)
    if isinstance(error, RuntimeError) and named in REFUSED:
        return f"{named} gives other bits on other CPUs: PROFILE=portable refuses it; use {REFUSED[named]}"
    return None


def routed() -> bool:
    """Whether `route` has registered its kernels."""
    return _library is not None


def _register(name: str, function: Callable[..., Any], key: str = "CPU") -> None:
    assert _library is not None
    original = torch.library.get_kernel(f"aten::{name}", key)

    def kernel(keys: torch._C.DispatchKeySet, *args: Any, **named: Any) -> Any:
        return function(functools.partial(original.call_boxed, keys), *args, **named)

    _library.impl(name, kernel, key, with_keyset=True, allow_override=True)


# ---------------------------------------------------------------- functions of one number


def _is_routed(name: str, dtype: torch.dtype) -> bool:
    return dtype in REAL and (name, dtype) not in UNAFFECTED


def _promoted(self: torch.Tensor) -> torch.Tensor:
    """Whole numbers become floating-point ones, as in every such function of torch."""
    whole = not (self.is_floating_point() or self.is_complex())
    return self.to(torch.get_default_dtype()) if whole else self


def _compute(ufunc: Any, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Put the function of each element of `source` into `target`; both of one type and one shape."""
    # float32 is computed in float64 and rounded once: right in all but one of some hundred million numbers,
    # whichever version of the C library it is. A square root is right by itself.
    wide = {} if ufunc is np.sqrt else {"dtype": np.float64, "casting": "same_kind"}
    with np.errstate(all="ignore"):
        ufunc(source.detach().numpy(), out=target.detach().numpy(), **wide)
    return target


def _function(name: str, ufunc: Any, original: Callable[..., Any], self: torch.Tensor) -> torch.Tensor:
    number = _promoted(self)
    if not _is_routed(name, number.dtype):
        return original(self)
    return _compute(ufunc, number, torch.empty_like(number))


def _in_place(name: str, ufunc: Any, original: Callable[..., Any], self: torch.Tensor) -> torch.Tensor:
    if not _is_routed(name, self.dtype):
        return original(self)
    return _compute(ufunc, self, self)


def _out(
    name: str, ufunc: Any, original: Callable[..., Any], self: torch.Tensor, *, out: torch.Tensor
) -> torch.Tensor:
    number = _promoted(self)
    if not _is_routed(name, number.dtype):
        return original(self, out=out)
    result = _function(name, ufunc, original, self)  # before `out` is written: it may be `self`
    original(self, out=out)  # checks and resizes it
    return out.copy_(result)


# ---------------------------------------------------------------- x ** 0.5, to torch a square root


def _is_root(self: torch.Tensor, exponent: Any) -> bool:
    return exponent == 0.5 and _is_routed("sqrt", torch.result_type(self, exponent))


def _pow(original: Callable[..., Any], self: torch.Tensor, exponent: Any) -> torch.Tensor:
    if _is_root(self, exponent):
        return _function("sqrt", np.sqrt, original, self)
    return original(self, exponent)


def _pow_in_place(original: Callable[..., Any], self: torch.Tensor, exponent: Any) -> torch.Tensor:
    if _is_root(self, exponent) and self.dtype in REAL:
        return _compute(np.sqrt, self, self)
    return original(self, exponent)


def _pow_out(
    original: Callable[..., Any], self: torch.Tensor, exponent: Any, *, out: torch.Tensor
) -> torch.Tensor:
    result = _pow(original, self, exponent) if _is_root(self, exponent) else None
    original(self, exponent, out=out)
    return out if result is None else out.copy_(result)


# ---------------------------------------------------------------- the Cholesky factorisation


def _factor(original: Callable[..., Any], self: torch.Tensor, **named: Any) -> Any:
    if self.dtype != torch.float32:
        return original(self, **named)
    factor, info = torch.ops.aten.linalg_cholesky_ex(self.double(), **named)
    return factor.float(), info


def _factor_out(original: Callable[..., Any], self: torch.Tensor, *, info: torch.Tensor, **named: Any) -> Any:
    out: torch.Tensor = named.pop("L")
    if self.dtype != torch.float32:
        return original(self, L=out, info=info, **named)
    factor, codes = torch.ops.aten.linalg_cholesky_ex(self.double(), **named)
    original(self, L=out, info=info)  # checks and resizes them
    return out.copy_(factor), info.copy_(codes)


def _old_cholesky(original: Callable[..., Any], self: torch.Tensor, upper: bool = False) -> Any:
    narrow = self.dtype == torch.float32
    return torch.ops.aten.cholesky(self.double(), upper).float() if narrow else original(self, upper)


def _old_cholesky_out(
    original: Callable[..., Any], self: torch.Tensor, upper: bool = False, *, out: torch.Tensor
) -> Any:
    narrow = self.dtype == torch.float32
    return (
        out.copy_(torch.ops.aten.cholesky(self.double(), upper)) if narrow else original(self, upper, out=out)
    )


# ---------------------------------------------------------------- others


def _least_squares(original: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """By default torch takes LAPACK's gelsy on the CPU, which differs; gelsd solves the same problems."""
    if named.get("driver") == "gelsy":
        raise RuntimeError(f"lstsq with the driver 'gelsy'{NOT_PORTABLE}")
    return original(*args, **{**named, "driver": named.get("driver") or "gelsd"})


def _refuse_sparse(original: Callable[..., Any], *args: Any, **named: Any) -> Any:
    raise RuntimeError(f"triangular_solve of a sparse matrix{NOT_PORTABLE}")
