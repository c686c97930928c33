"""What to use instead of an operation of torch that does not give the same bits each time."""

import re

# What torch's message calls an operation, as a regular expression, and what to use instead. The alternatives
# are deterministic on CUDA with torch 2.10; the list of operations is that of
# `torch.use_deterministic_algorithms`.
INSTEAD = {
    r"put_": "index_put_(indices, values), or put_(…, accumulate=True) on the CPU",
    r"max_unpooling\dd.*": "scatter_ with the indices that max_pool returns, or torch.nn.ConvTranspose",
    r"upsample_(linear|bilinear|bicubic|trilinear).*": "interpolate(mode='nearest') or ConvTranspose",
    r"reflection_pad\dd.*": "pad(mode='replicate') or 'constant', or torch.cat of flipped slices",
    r"adaptive_avg_pool\dd.*": "avg_pool with a fixed kernel size, or mean() where the output size is 1",
    r"avg_pool3d.*": "conv3d with a constant kernel, or reshape and mean",
    r"(adaptive_|fractional_)?max_pool\dd.*": "unfold and amax",
    r"nll_loss2d.*": "reshape to (N·H·W, C) and the loss over two dimensions",
    r"ctc_loss.*": "the loss on the CPU: ctc_loss(log_probs.cpu(), …)",
    r"embedding_bag.*": "mode='sum' or 'mean', or an embedding followed by amax",
    r"_?histc.*": "torch.histogram on the CPU, or bincount of whole numbers",
    r"_?bincount.*": "one_hot(…).T @ weights, or index_add_",
    r"median.*": "sort and take the middle, or median() on the CPU",
    r"kthvalue.*": "sort and take the k-th",
    r"grid_sampler.*": "the gather of four neighbours by index, or grid_sample on the CPU",
    r"cumsum.*": "a product with a triangular matrix of ones, or cumsum on the CPU",
    r"scatter_reduce.*|index_reduce.*": "reduce='sum', 'mean', 'amax' or 'amin'",
    r"quantized_resize.*": "a new tensor of the right size",
    # The default reads, on a CPU, an order of columns that nobody wrote.
    r"linalg_lstsq": "torch.linalg.lstsq(…, driver='gelsd')",
    # Deterministic mode has another kernel for it, also on a CPU with several threads.
    r"_?index_put(_impl)?_?": "torch.use_deterministic_algorithms(True), or index_add_ on one dimension",
}


def instead(operation: str) -> str:
    """What to use instead of an operation that does not repeat; "" where nothing is known.

    Args:
        operation: its name, with or without its namespace and its overload: "index_put_", "aten::median.dim".
    """
    name = operation.rpartition("::")[2].partition(".")[0]
    return next((fix for pattern, fix in INSTEAD.items() if re.fullmatch(pattern, name)), "")
