"""Which tensors of a graph can be read without other bits.

Before a graph runs, TensorFlow joins operations: products of products, sums of sums, a convolution and its
bias. It does so where nobody else needs what is between. Who reads that between is somebody else, and the
numbers are then rounded in another way. The rules that it follows are in its `grappler/optimizers`:
arithmetic_optimizer.cc (an aggregation of operations of one kind, common factors, unary chains) and
remapper.cc. Where two operations need a tensor anyway, nothing is joined.
"""

from collections.abc import Iterator
from typing import Any

IDENTITIES = frozenset({"Identity", "IdentityN", "StopGradient", "PreventGradient"})  # they are taken out
MOVES = frozenset({"Reshape", "Squeeze", "ExpandDims"})
SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"})  # known before it runs
SUMS = frozenset({"Add", "AddV2", "AddN", "Sub"})
PRODUCTS = frozenset({"Mul", "Square"})
LAST = frozenset({  # of what is joined in one layer
    *("BiasAdd", "Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus"),
    *("Softmax", "LogSoftmax"),
})  # fmt: skip
AFTER = frozenset({  # what a loss begins with
    *("Sub", "SquaredDifference", "RealDiv", "Maximum", "Minimum", "Softmax", "LogSoftmax"),
})  # fmt: skip
ELEMENTWISE = frozenset({
    *SUMS,
    *PRODUCTS,
    *LAST,
    *("FusedBatchNormV3", "Neg", "Div", "RealDiv", "DivNoNan", "MulNoNan", "Inv", "Reciprocal"),
    *("Sqrt", "Rsqrt", "Pow", "Exp", "Expm1", "Log", "Log1p", "Xlogy", "Xdivy", "SquaredDifference"),
    *("Maximum", "Minimum", "Select", "SelectV2", "Erf", "Sin", "Cos", "Sinh", "Cosh"),
})  # fmt: skip
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})  # what is inside stands here in the end
CONTRACTIONS = frozenset({
    *("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "MatMul", "Einsum"),
    *("Conv2D", "Conv3D", "DepthwiseConv2dNative"),
})  # fmt: skip


def can_be_read(tensor: Any) -> bool:
    """Whether a graph computes the same bits when one more operation reads a tensor.

    Args:
        tensor: of a graph, after everything has been traced that uses it.
    """
    tensor = _root(tensor)
    source, users = tensor.op, list(_users(tensor))
    while source.type in MOVES:
        source = _root(source.inputs[0]).op
    if len(users) != 1:  # none: it is what a function returns
        return True
    (user,) = users
    if source.type not in ELEMENTWISE | CONTRACTIONS or user not in ELEMENTWISE | CALLS:
        return True
    if source.type in CONTRACTIONS:  # a bias, a residual or an activation may follow
        return user in PRODUCTS | {"Sub"}
    if source.type in LAST:
        return user in AFTER
    return source.type in SUMS and user in PRODUCTS | AFTER


def _root(tensor: Any) -> Any:
    """What a tensor is another name of."""
    while tensor.op.type in IDENTITIES:
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor


def _users(tensor: Any) -> Iterator[str]:
    """The types of the operations that need a tensor, but for those that a record has made."""
    for user in {each.name: each for each in tensor.consumers()}.values():
        if user.type in IDENTITIES:
            for at, given in enumerate(user.inputs):
                if given is tensor:
                    yield from _users(user.outputs[at])
        elif user.type != "PyFunc" and user.type not in SHAPES and _is_needed(user):
            yield user.type


def _is_needed(operation: Any) -> bool:
    """Whether an operation may be more than a rest of tracing, which never runs."""
    if operation.op_def.is_stateful or not operation.outputs:
        return True
    return any(output.consumers() for output in operation.outputs)
