"""What TensorFlow says about work that cannot be repeated, in one line."""

import re

from samebits.keras import portable

CPU = "run that part on the CPU (`with tf.device('/CPU:0')`)"

# Words of TensorFlow's message, the operation, what to use instead. The first that fits is taken.
NO_SEED = [
    (
        "Random ops require a seed",
        "a random operation of TensorFlow",
        "call samebits.seed_everything(seed) first, or use keras.random or tf.random.stateless_*",
    ),
    (
        '"from_non_deterministic_state" cannot be called',
        "tf.random.Generator.from_non_deterministic_state",
        "use tf.random.Generator.from_seed(seed)",
    ),
    (
        "sample_distorted_bounding_box requires a non-zero seed",
        "tf.image.sample_distorted_bounding_box",
        "use tf.image.stateless_sample_distorted_bounding_box",
    ),
    (
        "fractional_max_pool requires a non-zero seed",
        "tf.nn.fractional_max_pool",
        "pass it a seed other than 0",
    ),
    (
        "fractional_avg_pool requires a non-zero seed",
        "tf.nn.fractional_avg_pool",
        "pass it a seed other than 0",
    ),
]
NO_KERNEL = [
    ("Timestamp cannot be called", "tf.timestamp", "take the time outside of the model, with time.time()"),
    (
        "SVD of matrices with 1 column",
        "tf.linalg.svd of one column",
        "use tf.norm, which gives its singular value",
    ),
    ("FakeQuantWithMinMaxVars", "the gradient of tf.quantization.fake_quant_with_min_max_vars", CPU),
    (
        "SoftmaxCrossEntropyWithLogits that would have been executed",
        "softmax cross entropy of tf.raw_ops",
        "use tf.nn.softmax_cross_entropy_with_logits or a loss of keras.losses",
    ),
    (
        "MaxPoolGradWithArgmax",
        "the gradient of tf.nn.max_pool_with_argmax",
        f"use keras.layers.MaxPooling2D, or {CPU}",
    ),
    (
        "unsorted segment reduction",
        "tf.math.unsorted_segment_sum or a similar operation",
        f"multiply by tf.one_hot(ids, number), or {CPU}",
    ),
    (
        "sorted segment reduction",
        "tf.math.segment_sum or a similar operation",
        f"multiply by tf.one_hot(ids, number), or {CPU}",
    ),
    (
        "CropAndResizeBackprop",
        "the gradient of tf.image.crop_and_resize",
        f"crop by slicing and use tf.image.resize, or {CPU}",
    ),
    ("Dilation2DBackprop", "the gradient of tf.nn.dilation2d", CPU),
    ("Scatter ops with ref inputs", "a scatter into a TensorFlow 1 variable", "use tf.Variable"),
    ("Bincount", "tf.math.bincount", f"use tf.reduce_sum(tf.one_hot(values, number), axis=0), or {CPU}"),
    (
        "AdjustContrast",
        "tf.image.adjust_contrast",
        "write it out, (x - mean) * factor + mean, or do it in the dataset",
    ),
    (
        "SparseTensorDenseMatmulOp",
        "tf.sparse.sparse_dense_matmul",
        f"use tf.matmul(tf.sparse.to_dense(a), b), or {CPU}",
    ),
    (
        "DepthwiseConvBackpropFilter",
        "the gradient of a depthwise convolution",
        f"use a newer cuDNN, or {CPU}",
    ),
    (
        "fused batch-norm backprop, when training is disabled",
        "the gradient of a frozen batch normalisation",
        "use keras.layers.GroupNormalization, or put tf.stop_gradient behind the frozen part",
    ),
    (
        "ResizeNearestNeighborGrad",
        "the gradient of nearest-neighbour resizing",
        "use interpolation='bilinear', or keras.ops.repeat along both axes",
    ),
    (
        "GPU MaxPool gradient ops do not yet have a deterministic XLA implementation",
        "the gradient of max pooling under XLA",
        "call model.compile(…, jit_compile=False)",
    ),
    (
        "does not have a deterministic implementation, but run-to-run determinism is required",
        "an instruction of XLA",
        "call model.compile(…, jit_compile=False)",
    ),
]


def explain(error: BaseException) -> str | None:
    """One line about an operation that has no deterministic kernel, or draws numbers without a seed.

    Args:
        error: what TensorFlow or Keras raised.

    Returns:
        The operation's name and, where one is known, what to use instead; None if the error is about
        something else.
    """
    if (not_portable := portable.explain(error)) is not None:
        return not_portable
    message = str(error)
    if "determin" not in message.lower():
        return None
    for words, operation, instead in NO_SEED:
        if words in message:
            return f"{operation} draws without a seed; {instead}"
    for words, operation, instead in NO_KERNEL:
        if words in message:
            return f"{operation} has no deterministic kernel here; {instead}"
    refused = re.search(
        r"^.*determini.*not (?:yet |currently )?(?:supported|available).*$", message, re.M | re.I
    )
    if refused is None:
        return None
    # "Detected at node gradients/Some/Op defined at …" in a graph, "… [Op:SomeOp]" outside of one
    match = re.search(r"Detected at node '?([^\s']+)|\[Op:(?!__)(\w+)\]", message)
    operation = (match[1] or match[2]).rsplit("/", 1)[-1] if match else "an operation of TensorFlow"
    sentence = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", refused[0]).strip().rstrip(".")
    return f"{operation} has no deterministic kernel here ({sentence}); use another operation, or {CPU}"
