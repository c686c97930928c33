"""The names under which scripts call the operations that have no deterministic kernel on a GPU.

What torch calls them inside, and what to use instead, is in samebits/_instead.py (INSTEAD); TensorFlow's
are in samebits/keras/errors.py (NO_KERNEL). Tests hold these tables in step with those. Some cannot be told
from the code: whether a cumsum counts whole numbers, which repeats, or adds float32, which does not.
"""

# torch: the public name, and the kernel that INSTEAD knows.
TORCH = {
    **{f"torch.nn.MaxUnpool{n}d": f"max_unpooling{n}d" for n in (1, 2, 3)},
    **{f"torch.nn.functional.max_unpool{n}d": f"max_unpooling{n}d" for n in (1, 2, 3)},
    **{f"torch.nn.ReflectionPad{n}d": f"reflection_pad{n}d" for n in (1, 2, 3)},
    **{f"torch.nn.FractionalMaxPool{n}d": f"fractional_max_pool{n}d" for n in (2, 3)},
    "torch.nn.CTCLoss": "ctc_loss",
    "torch.nn.functional.ctc_loss": "ctc_loss",
    "torch.nn.functional.grid_sample": "grid_sampler_2d",
    "torch.nn.UpsamplingBilinear2d": "upsample_bilinear2d",
}
# The position of `mode`; deterministic mode takes other kernels for some of them.
INTERPOLATED = {
    "torch.nn.functional.interpolate": 3,
    "torch.nn.functional.upsample": 3,
    "torch.nn.Upsample": 2,
}
PADDED = {"torch.nn.functional.pad"}
# Patterns of INSTEAD that no call shows, and why.
TORCH_UNTOLD = {
    r"put_": "a tensor's method, and deterministic unless it accumulates",
    r"adaptive_avg_pool\dd.*": "to one pixel, which is how it is mostly used, it is a mean and repeats",
    r"avg_pool3d.*": "windows that do not overlap, the default, repeat",
    r"nll_loss2d.*": "the same call takes class scores of images and of anything else",
    r"_?histc.*": "of whole numbers it repeats",
    r"_?bincount.*": "without weights it counts, and repeats",
    r"median.*": "the value repeats; the index moves where values are equal",
    r"kthvalue.*": "the value repeats; the index moves where values are equal",
    r"cumsum.*": "of whole numbers it repeats",
    r"scatter_reduce.*|index_reduce.*": "all but reduce='prod' repeat in deterministic mode",
    r"linalg_lstsq": "on a GPU, and with another driver, it repeats",
    r"quantized_resize.*": "no name for it is public",
    r"_?index_put(_impl)?_?": "repeats in deterministic mode, and always unless it accumulates",
}

# TensorFlow: the public name, and the operation as NO_KERNEL words it.
_SEGMENTS = "tf.math.segment_sum or a similar operation"
_UNSORTED = "tf.math.unsorted_segment_sum or a similar operation"
TENSORFLOW = {
    **{f"tensorflow.math.segment_{kind}": _SEGMENTS for kind in ("sum", "mean")},
    **{f"tensorflow.math.unsorted_segment_{kind}": _UNSORTED for kind in ("sum", "mean", "prod", "sqrt_n")},
    "tensorflow.nn.dilation2d": "the gradient of tf.nn.dilation2d",
    "tensorflow.nn.max_pool_with_argmax": "the gradient of tf.nn.max_pool_with_argmax",
    "tensorflow.sparse.sparse_dense_matmul": "tf.sparse.sparse_dense_matmul",
    "tensorflow.quantization.fake_quant_with_min_max_vars": (
        "the gradient of tf.quantization.fake_quant_with_min_max_vars"
    ),
}
TENSORFLOW_UNTOLD = {
    "tf.timestamp": "what it gives is another number in every run, but seldom enters a training",
    "tf.linalg.svd of one column": "the number of columns is not in the code",
    "softmax cross entropy of tf.raw_ops": "nobody calls it so",
    "a scatter into a TensorFlow 1 variable": "TensorFlow 1",
    "the gradient of tf.image.crop_and_resize": "in a dataset, where it mostly stands, nothing is derived",
    "tf.math.bincount": "without weights it counts, and repeats",
    "tf.image.adjust_contrast": "in a dataset, where it mostly stands, it runs on the CPU and repeats",
    "the gradient of a depthwise convolution": "only older versions of cuDNN have none",
    "the gradient of a frozen batch normalisation": "what is frozen is decided elsewhere",
    "the gradient of nearest-neighbour resizing": "the interpolation is mostly an argument from elsewhere",
    "the gradient of max pooling under XLA": "whether XLA compiles it is decided elsewhere",
    "an instruction of XLA": "not in the code",
}
