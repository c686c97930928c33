"""A table of TensorFlow's operations on the CPU and of Keras's layers, each a function of exact inputs.

What these rows run is what the profile `portable` lets through: samebits.keras.portable_allowlist.
"""

# mypy: disable-error-code="misc"
# (lambdas that bind what a loop names, whose types mypy cannot infer)

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from samebits.proof.portable import inputs

Operation = Callable[[], Any]
ELEMENTWISE = {
    "all": """
        exp math.expm1 sin cos tan tanh sinh cosh sigmoid math.erf math.erfc math.asinh abs negative sign
        floor math.ceil round math.rint square math.softplus math.reciprocal nn.relu nn.relu6 nn.elu nn.selu
        nn.silu nn.gelu nn.leaky_relu nn.softsign math.is_nan math.is_inf math.is_finite zeros_like ones_like
        math.reciprocal_no_nan math.atan math.bessel_i0e math.bessel_i1e
    """,
    "positive": "math.log math.log1p sqrt math.rsqrt math.lgamma math.digamma math.xlogy2",
    "unit": "asin acos math.atanh math.erfinv math.log_sigmoid",
    "from one": "math.acosh",
}
BINARY = """
    add subtract multiply divide maximum minimum pow math.floordiv math.floormod math.mod
    math.squared_difference math.divide_no_nan math.multiply_no_nan atan2 math.xdivy math.xlogy math.xlog1py
    less equal greater_equal math.nextafter math.igamma math.zeta
"""
REDUCTIONS = """
    reduce_sum reduce_mean reduce_max reduce_min reduce_prod math.reduce_variance math.reduce_std
    math.reduce_euclidean_norm math.reduce_logsumexp cumsum math.cumprod math.cumulative_logsumexp nn.softmax
    nn.log_softmax nn.l2_normalize argmax argmin sort argsort
"""


def operations() -> Iterable[tuple[str, Operation]]:
    """(name, function) of every operation, in a fixed order."""
    yield from _elementwise()
    yield from _binary()
    yield from _reductions()
    yield from _products()
    yield from _moved()
    yield from _layers()
    yield from _random()
    yield from _losses()
    yield from _optimisers()
    yield from _trained()


def make(*shape: int, salt: int = 0, scale: int = 0, dtype: Any = np.float32) -> tf.Tensor:
    return tf.constant(inputs.numbers(*shape, salt=salt, scale=scale).astype(dtype))


def whole(*shape: int, below: int, salt: int = 0, dtype: Any = np.int32) -> tf.Tensor:
    drawn = inputs.integers(int(np.prod(shape)), salt) % np.uint64(below)
    return tf.constant(drawn.astype(dtype).reshape(shape))


def with_gradients(function: Callable[..., Any], *given: tf.Tensor) -> list[Any]:
    """What the function gives, and the gradients of its parts' sum with a weight for each element."""
    with tf.GradientTape() as tape:
        tape.watch(given)
        results = [tf.convert_to_tensor(result) for result in tf.nest.flatten(function(*given))]
        floating = [result for result in results if result.dtype.is_floating]
        total = [
            tf.cast(tf.reduce_sum(r * make(*r.shape, salt=90, dtype=r.dtype.name)), tf.float32)
            for r in floating
        ]
    gradients = tape.gradient(total, given) if total else []
    return [*results, *(tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None)]


def _find(name: str) -> Callable[..., Any]:
    if name == "math.xlogy2":
        return lambda x: tf.math.xlogy(x, x)
    operation: Any = tf
    for part in name.split("."):
        operation = getattr(operation, part)
    return operation


# ---------------------------------------------------------------- element by element


def _elementwise() -> Iterable[tuple[str, Operation]]:
    for kind, names in ELEMENTWISE.items():
        for name in names.split():
            for short, dtype in (("f32", np.float32), ("f64", np.float64)):

                def compute(name: str = name, kind: str = kind, dtype: Any = dtype) -> Any:
                    function, long = _find(name), inputs.domain(kind).astype(dtype)
                    results = [
                        function(tf.constant(x)) for x in (long, long[:7], inputs.special().astype(dtype))
                    ]
                    return [*results, *with_gradients(function, tf.constant(long[: 60 * 68].reshape(60, 68)))]

                yield f"tf.{name} {short}", compute


def _binary() -> Iterable[tuple[str, Operation]]:
    x = np.concatenate([inputs.positive(4099, salt=10, scale=3), inputs.wide(4099, exponent=30)])
    y = inputs.numbers(8198, salt=12, scale=2)
    for name in BINARY.split():
        positive_first = name in ("pow", "math.zeta", "math.igamma", "math.xlogy", "math.xlog1py")

        def compute(name: str = name, swap: bool = positive_first) -> Any:
            a, b = (x, y) if swap else (y, x)
            a, b = a.astype(np.float32), b.astype(np.float32)
            if name in ("math.zeta", "math.igamma"):
                a, b = 1 + a[:4099], np.abs(b[:4099]) + 1
            both = [tf.constant(a), tf.constant(b)]
            table = [tf.constant(a[:4080].reshape(60, 68)), tf.constant(b[:68])]
            return [*with_gradients(_find(name), *both), *with_gradients(_find(name), *table)]

        yield f"tf.{name}", compute
    yield (
        "tf.pow scalar",
        lambda: [tf.constant(x.astype(np.float32)) ** e for e in (0.5, -0.5, 2.0, 3.0, -1.0)],
    )
    yield (
        "tf.clip_by_value, where, cast",
        lambda: [
            with_gradients(lambda v: tf.clip_by_value(v, -1.0, 1.0), make(4099, scale=1)),
            with_gradients(lambda v: tf.where(v > 0, v, 2 * v), make(4099)),
            [tf.cast(make(4099, scale=3), t) for t in (tf.int32, tf.int64, tf.bool)],
            tf.cast(whole(999, below=1000), tf.float32),
        ],
    )


# ---------------------------------------------------------------- sums and products

SHAPES = ((61, 1031), (4, 64), (32, 10), (100, 1000), (3, 7), (128, 4))


def _reductions() -> Iterable[tuple[str, Operation]]:
    for name in REDUCTIONS.split():

        def compute(name: str = name) -> Any:
            results: list[Any] = []
            for number, shape in enumerate(SHAPES):
                x = make(*shape, salt=20 + number, scale=1)
                if "prod" in name:
                    x = 1 + x / 64
                results += with_gradients(lambda v: _find(name)(v, axis=-1), x)
                results.append(_find(name)(x, axis=0))
            if name.startswith(("reduce_", "math.reduce_")):
                cube = make(9, 11, 13, 5, salt=27)
                results += with_gradients(lambda v: _find(name)(v), make(61, 1031, salt=26))
                results += with_gradients(lambda v: _find(name)(v, axis=(0, 1, 2)), cube)
                results += with_gradients(lambda v: _find(name)(v, axis=(1, 3)), cube)
            return results

        yield f"tf.{name}", compute
    yield (
        "tf.nn.moments, add_n, global_norm",
        lambda: [
            with_gradients(lambda v: tf.nn.moments(v, axes=(0, 1, 2)), make(9, 11, 13, 5)),
            tf.add_n([make(61, 31, salt=n) for n in range(5)]),
            tf.linalg.global_norm([make(61, 31, salt=n) for n in range(5)]),
            tf.clip_by_global_norm([make(61, 31, salt=n) for n in range(3)], 0.5)[0],
            tf.clip_by_norm(make(61, 31), 0.5),
            tf.norm(make(61, 31), axis=1),
            tf.nn.top_k(make(61, 31), 5),
            tf.math.in_top_k(whole(61, below=31), make(61, 31), 3),
        ],
    )
    for name in ("sum", "mean", "max", "min", "prod"):
        for kind in ("segment", "unsorted_segment"):

            def segments(name: str = name, kind: str = kind) -> Any:
                ids = whole(211, below=17)
                x = make(211, 9, salt=28)
                if kind == "segment":
                    return with_gradients(lambda v: getattr(tf.math, f"segment_{name}")(v, tf.sort(ids)), x)
                return with_gradients(lambda v: getattr(tf.math, f"unsorted_segment_{name}")(v, ids, 19), x)

            yield f"tf.math.{kind}_{name}", segments


def _products() -> Iterable[tuple[str, Operation]]:
    for m, k, n in (
        (130, 611, 67),
        (32, 64, 10),
        (1, 300, 7),
        (257, 129, 255),
        (5, 3, 2),
        (64, 1, 64),
        (33, 3001, 35),
    ):

        def product(m: int = m, k: int = k, n: int = n) -> Any:
            a, b = make(m, k, salt=30), make(k, n, salt=31)
            transposed = tf.matmul(make(k, m), make(n, k), transpose_a=True, transpose_b=True)
            return [*with_gradients(tf.matmul, a, b), transposed]

        yield f"tf.matmul {m}×{k}×{n}", product
    for batch, m, k, n in ((7, 33, 17, 9), (64, 8, 64, 8), (2, 100, 50, 100)):

        def batched(batch: int = batch, m: int = m, k: int = k, n: int = n) -> Any:
            a, b = make(batch, m, k, salt=32), make(batch, k, n, salt=33)
            return [*with_gradients(tf.matmul, a, b), *with_gradients(tf.matmul, a, b[0])]

        yield f"tf.matmul of batches {batch}×{m}×{k}×{n}", batched
    for equation, left, right in (
        ("abc,cd->abd", (5, 33, 17), (17, 9)),
        ("aecd,abcd->acbe", (3, 7, 4, 8), (3, 9, 4, 8)),
        ("acbe,aecd->abcd", (3, 4, 9, 7), (3, 7, 4, 8)),
        ("ij,kj->ik", (61, 131), (45, 131)),
    ):
        yield (
            f"tf.einsum {equation}",
            lambda equation=equation, left=left, right=right: with_gradients(
                lambda a, b: tf.einsum(equation, a, b), make(*left, salt=34), make(*right, salt=35)
            ),
        )
    yield (
        "tf.signal",
        lambda: [
            with_gradients(lambda v: tf.abs(tf.signal.rfft(v)), make(5, 97, salt=36)),
            tf.signal.fft2d(tf.complex(make(8, 12), make(8, 12, salt=37))),
            tf.signal.stft(make(2, 999), 128, 64),
        ],
    )
    yield (
        "tf.linalg.inv",
        lambda: [tf.linalg.inv(make(size, size) + 9 * tf.eye(size)) for size in (3, 37, 130)],
    )
    yield (
        "tf.tensordot, linalg.matvec, band_part",
        lambda: [
            with_gradients(lambda a, b: tf.tensordot(a, b, 1), make(5, 7, 31), make(31, 11)),
            with_gradients(tf.linalg.matvec, make(61, 131), make(131)),
            with_gradients(lambda a: tf.linalg.band_part(a, -1, 0), make(61, 61)),
            tf.linalg.diag(make(17)),
            tf.linalg.trace(make(17, 17)),
            tf.eye(7),
        ],
    )


# ---------------------------------------------------------------- what is only moved


def _moved() -> Iterable[tuple[str, Operation]]:
    x = make(6, 10, 14, salt=40)
    rows = whole(33, below=6, salt=41)
    pairs = whole(33, 2, below=6, salt=42)
    pictures = tf.abs(make(2, 9, 9, 3, salt=43))
    moves: dict[str, Callable[[Any], Any]] = {
        "reshape, transpose, expand, squeeze": lambda v: [
            tf.reshape(v, (60, 14)), tf.transpose(v, (2, 0, 1)), tf.expand_dims(v, 1)[:, 0],
            tf.squeeze(v[:1]),
        ],
        "slice, strided, reverse, roll": lambda v: [
            tf.slice(v, (1, 2, 3), (3, 4, 5)), v[::2, 1:-1, ::-1], tf.reverse(v, [1]), tf.roll(v, 3, 1),
        ],
        "pad": lambda v: [
            tf.pad(v, ((1, 1), (2, 0), (0, 3))), tf.pad(v, ((1, 1), (2, 0), (0, 3)), "REFLECT"),
        ],
        "concat, stack, split, unstack": lambda v: [
            tf.concat([v, v], 1), tf.stack([v, v], 1), *tf.split(v, 2, 1), *tf.unstack(v, axis=0),
        ],
        "tile, repeat, broadcast": lambda v: [
            tf.tile(v, (1, 2, 3)), tf.repeat(v, 2, 1), tf.broadcast_to(v[:1], v.shape),
        ],
        "gather": lambda v: [tf.gather(v, rows), tf.gather_nd(v, pairs), tf.gather(v, rows, axis=2)],
        "scatter": lambda v: [
            tf.scatter_nd(pairs, v[0, 0, :1] * make(33, 14), (6, 10, 14)),
            tf.tensor_scatter_nd_add(v, pairs, make(33, 14)),
            tf.tensor_scatter_nd_update(v, pairs[:1], make(1, 14)),
        ],
        "boolean_mask, dynamic_partition": lambda v: [tf.boolean_mask(v, v > 0)],
        "image": lambda v: [
            tf.image.flip_left_right(v), tf.image.rot90(v), tf.image.resize(v, (9, 21)),
            tf.image.resize(v, (9, 21), "nearest"), tf.image.central_crop(v, 0.5),
            tf.nn.space_to_depth(v[None], 2), tf.nn.depth_to_space(v[None, ..., :12], 2),
        ],
        "stop_gradient, identity, ensure": lambda v: [
            tf.stop_gradient(v), tf.identity(v), tf.debugging.check_numerics(v, "") * 2,
        ],
    }  # fmt: skip
    for name, move in moves.items():
        yield f"tf {name}", lambda move=move: with_gradients(move, x)
    yield (
        "tf.image.adjust_…",
        lambda: [
            tf.image.adjust_brightness(pictures, 0.1), tf.image.adjust_contrast(pictures, 1.5),
            tf.image.adjust_saturation(pictures, 1.5), tf.image.adjust_hue(pictures, 0.2),
            tf.image.rgb_to_grayscale(pictures), tf.image.per_image_standardization(pictures),
        ],
    )  # fmt: skip
    yield (
        "tf.one_hot, range, linspace, histogram, bincount, searchsorted, unique",
        lambda: [
            tf.one_hot(rows, 6), tf.range(0.0, 3.0, 0.1), tf.linspace(0.0, 1.0, 37),
            tf.math.bincount(rows), tf.searchsorted(tf.sort(make(99)), make(7)),
            tf.unique(rows)[0], tf.math.confusion_matrix(rows, rows[::-1]),
            tf.sequence_mask(rows, 9), tf.fill((3, 4), 2.5),
        ],
    )  # fmt: skip


# ---------------------------------------------------------------- Keras's layers


def _layers() -> Iterable[tuple[str, Operation]]:
    image, line, cube = (2, 13, 11, 5), (3, 17, 8), (2, 7, 6, 5, 3)
    made: list[tuple[str, Callable[[], Any], tuple[int, ...]]] = [
        ("Dense", lambda: layers.Dense(37, "relu"), (33, 61)),
        ("Dense wide", lambda: layers.Dense(256), (64, 784)),
        ("Conv2D", lambda: layers.Conv2D(8, 3, padding="same"), image),
        ("Conv2D 32, 64", lambda: layers.Conv2D(64, 3, padding="same", use_bias=False), (4, 8, 8, 32)),
        ("Conv2D of many channels", lambda: layers.Conv2D(24, 3), (1, 7, 7, 259)),
        ("Conv2D stride", lambda: layers.Conv2D(8, 3, strides=2), image),
        ("Conv2D dilated", lambda: layers.Conv2D(8, 3, dilation_rate=2), image),
        ("Conv2D 1×1", lambda: layers.Conv2D(8, 1), image),
        ("Conv2D groups", lambda: layers.Conv2D(10, 3, groups=5), image),
        ("Conv2DTranspose", lambda: layers.Conv2DTranspose(8, 3, strides=2), image),
        ("DepthwiseConv2D", lambda: layers.DepthwiseConv2D(3), image),
        ("SeparableConv2D", lambda: layers.SeparableConv2D(8, 3), image),
        ("Conv1D", lambda: layers.Conv1D(8, 3, padding="causal"), line),
        ("Conv3D", lambda: layers.Conv3D(4, 3), cube),
        ("MaxPooling2D", lambda: layers.MaxPooling2D(2), image),
        ("AveragePooling2D", lambda: layers.AveragePooling2D(3, 2, "same"), image),
        ("MaxPooling1D", lambda: layers.MaxPooling1D(2), line),
        ("AveragePooling3D", lambda: layers.AveragePooling3D(2), cube),
        ("MaxPooling3D", lambda: layers.MaxPooling3D(2), cube),
        ("GlobalAveragePooling2D", lambda: layers.GlobalAveragePooling2D(), image),
        ("GlobalMaxPooling1D", lambda: layers.GlobalMaxPooling1D(), line),
        ("BatchNormalization", lambda: layers.BatchNormalization(), image),
        ("BatchNormalization of vectors", lambda: layers.BatchNormalization(), (33, 61)),
        ("LayerNormalization", lambda: layers.LayerNormalization(), line),
        ("LayerNormalization wide", lambda: layers.LayerNormalization(), (64, 256)),
        ("RMSNormalization", lambda: layers.RMSNormalization(), line),
        ("GroupNormalization", lambda: layers.GroupNormalization(2), (2, 9, 7, 6)),
        ("UnitNormalization", lambda: layers.UnitNormalization(), line),
        ("Softmax", lambda: layers.Softmax(), (100, 1000)),
        ("PReLU", lambda: layers.PReLU(), line),
        ("Dropout", lambda: layers.Dropout(0.3, seed=3), (61, 131)),
        ("SpatialDropout1D", lambda: layers.SpatialDropout1D(0.3, seed=3), line),
        ("GaussianNoise", lambda: layers.GaussianNoise(0.3, seed=3), line),
        ("GaussianDropout", lambda: layers.GaussianDropout(0.3, seed=3), line),
        ("LSTM", lambda: layers.LSTM(12, return_sequences=True), line),
        ("GRU", lambda: layers.GRU(12), line),
        ("SimpleRNN", lambda: layers.SimpleRNN(12), line),
        ("Bidirectional", lambda: layers.Bidirectional(layers.LSTM(6)), line),
        ("UpSampling2D", lambda: layers.UpSampling2D(2), image),
        ("UpSampling2D bilinear", lambda: layers.UpSampling2D(2, interpolation="bilinear"), image),
        ("ZeroPadding2D", lambda: layers.ZeroPadding2D(2), image),
        ("Cropping2D", lambda: layers.Cropping2D(1), image),
        ("Resizing", lambda: layers.Resizing(9, 9), image),
        ("Rescaling", lambda: layers.Rescaling(1 / 255), image),
        ("RandomFlip", lambda: layers.RandomFlip(seed=3), image),
        ("RandomContrast", lambda: layers.RandomContrast(0.3, seed=3), (2, 9, 9, 3)),
        ("RandomBrightness", lambda: layers.RandomBrightness(0.3, seed=3), (2, 9, 9, 3)),
        ("RandomCrop", lambda: layers.RandomCrop(5, 5, seed=3), image),
        ("RandomRotation", lambda: layers.RandomRotation(0.3, seed=3), image),
        ("RandomZoom", lambda: layers.RandomZoom(0.3, seed=3), image),
        ("RandomTranslation", lambda: layers.RandomTranslation(0.3, 0.2, seed=3), image),
        ("Normalization", lambda: layers.Normalization(mean=0.3, variance=2.0), line),
    ]  # fmt: skip
    for name, build, shape in made:
        yield f"keras {name}", lambda build=build, shape=shape: _applied(build(), make(*shape, salt=50))
    yield (
        "keras Embedding",
        lambda: _applied(layers.Embedding(50, 12), whole(9, 11, below=50)),
    )
    yield (
        "keras MultiHeadAttention",
        lambda: _applied(
            SelfAttention(layers.MultiHeadAttention(4, 8, dropout=0.1, seed=3)), make(3, 17, 32)
        ),
    )
    yield (
        "keras MultiHeadAttention, causal",
        lambda: _applied(SelfAttention(layers.MultiHeadAttention(2, 16), causal=True), make(2, 65, 32)),
    )
    yield (
        "keras GroupQueryAttention",
        lambda: _applied(SelfAttention(layers.GroupQueryAttention(8, 4, 2)), make(3, 17, 32)),
    )
    for name in (
        "softmax",
        "gelu",
        "relu",
        "silu",
        "mish",
        "hard_sigmoid",
        "log_softmax",
        "glu",
        "tanh",
        "softplus",
    ):
        yield (
            f"keras.activations.{name}",
            lambda name=name: [
                value
                for shape in SHAPES
                for value in with_gradients(
                    getattr(keras.activations, name), make(*shape[:-1], 2 * shape[-1], scale=2)
                )
            ],
        )


class SelfAttention(layers.Layer):
    """Self-attention of one input."""

    def __init__(self, attention: layers.Layer, causal: bool = False) -> None:
        super().__init__()
        self.attention, self.causal = attention, causal

    def call(self, x: Any, training: bool = False) -> Any:
        return self.attention(x, x, training=training, use_causal_mask=self.causal)


def _applied(layer: layers.Layer, x: tf.Tensor) -> list[Any]:
    """What the layer gives, in training and not, its variables' and its input's gradients."""
    layer(x)
    for number, variable in enumerate(layer.trainable_variables):  # whatever the initialiser would draw
        variable.assign(make(*variable.shape, salt=60 + number, scale=-2))

    @tf.function
    def step(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            total = tf.reduce_sum(y * make(*y.shape, salt=90))
        return [y, tape.gradient(total, [x, *(v.value for v in layer.trainable_variables)])]

    return [
        *(value for value in tf.nest.flatten(step(x), expand_composites=True) if value is not None),
        layer(x, training=False),
        *(v.value for v in layer.variables if v.dtype == "float32"),
    ]


# ---------------------------------------------------------------- random numbers


def _random() -> Iterable[tuple[str, Operation]]:
    yield (
        "tf.random.stateless_…",
        lambda: [
            tf.random.stateless_uniform((4099,), (1, 2)),
            tf.random.stateless_uniform((999,), (1, 2), 0, 50, tf.int32),
            tf.random.stateless_normal((4099,), (1, 2)),
            tf.random.stateless_truncated_normal((4099,), (1, 2)),
            tf.random.stateless_categorical(make(3, 7), 99, (1, 2)),
        ],
    )
    yield "tf.random.Generator", lambda: _generated(tf.random.Generator.from_seed(7))
    for name in (
        *("GlorotUniform", "GlorotNormal", "HeNormal", "HeUniform", "LecunNormal", "RandomNormal"),
        *("TruncatedNormal", "VarianceScaling", "Zeros", "Ones"),
    ):
        arguments = {} if name in ("Zeros", "Ones") else {"seed": 7}
        yield (
            f"keras.initializers.{name}",
            lambda name=name, arguments=arguments: getattr(keras.initializers, name)(**arguments)((61, 37)),
        )
    yield (
        "keras.initializers.Orthogonal",
        lambda: [
            keras.initializers.Orthogonal(seed=7)(shape) for shape in ((12, 48), (64, 256), (7, 7), (256, 32))
        ],
    )
    yield (
        "keras.random",
        lambda: [
            keras.random.uniform((999,), seed=7), keras.random.normal((999,), seed=7),
            keras.random.randint((999,), 0, 50, seed=7), keras.random.dropout(make(999), 0.5, seed=7),
            keras.random.shuffle(make(99), seed=7), keras.random.truncated_normal((999,), seed=7),
        ],
    )  # fmt: skip


def _generated(generator: tf.random.Generator) -> list[Any]:
    return [generator.uniform((999,)), generator.normal((999,)), generator.truncated_normal((999,))]


# ---------------------------------------------------------------- losses and optimisers


def _losses() -> Iterable[tuple[str, Operation]]:
    for classes in (10, 1000):
        logits, labels = make(64, classes, salt=70, scale=2), whole(64, below=classes, salt=71)
        hot = tf.one_hot(labels, classes)
        for name, given in (
            ("SparseCategoricalCrossentropy", labels),
            ("CategoricalCrossentropy", hot),
            ("BinaryCrossentropy", hot),
        ):
            loss = getattr(keras.losses, name)
            for from_logits in (True, False):

                def compute(
                    given: Any = given, loss: Any = loss, logits: Any = logits, raw: bool = from_logits
                ) -> Any:
                    predicted = (lambda v: v) if raw else keras.activations.softmax
                    return with_gradients(lambda v: loss(from_logits=raw)(given, predicted(v)), logits)

                yield f"keras.losses.{name} {classes} {'logits' if from_logits else 'softmax'}", compute
    yield "tf.nn.ctc_loss", lambda: with_gradients(_ctc, make(5, 20, 12, salt=76))
    for name in (
        *("MeanSquaredError", "MeanAbsoluteError", "Huber", "LogCosh", "KLDivergence", "Poisson"),
        *("CosineSimilarity", "Hinge", "BinaryFocalCrossentropy", "MeanSquaredLogarithmicError", "Dice"),
    ):

        def two(name: str = name) -> Any:
            truth, predicted = (
                tf.constant(inputs.positive(64, 10, salt=s).astype(np.float32)) for s in (72, 73)
            )
            return with_gradients(lambda v: getattr(keras.losses, name)()(truth, v), predicted)

        yield f"keras.losses.{name}", two
    yield "keras.metrics", _measured


def _ctc(logits: tf.Tensor) -> tf.Tensor:
    lengths = tf.constant([20, 18, 20, 15, 20])
    labels = 1 + whole(5, 4, below=11, salt=77)
    return tf.nn.ctc_loss(labels, logits, tf.constant([4, 3, 4, 2, 4]), lengths, False, blank_index=0)


def _measured() -> Any:
    truth, predicted = whole(640, below=10, salt=74), make(640, 10, salt=75)
    kinds = ("SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "SparseCategoricalCrossentropy")
    metrics = [getattr(keras.metrics, kind)() for kind in kinds]
    results = []
    for metric in metrics:
        metric.update_state(truth, tf.nn.softmax(predicted))
        results.append(metric.result())
    area = keras.metrics.AUC()
    area.update_state(truth % 2, tf.sigmoid(predicted[:, 0]))
    mean = keras.metrics.Mean()
    mean.update_state(predicted)
    return [*results, area.result(), mean.result()]


def _optimisers() -> Iterable[tuple[str, Operation]]:
    optimisers = keras.optimizers
    made: dict[str, Callable[[], Any]] = {
        "SGD": lambda: optimisers.SGD(0.1, momentum=0.9, nesterov=True),
        "Adam": lambda: optimisers.Adam(0.01),
        "Adam amsgrad, clipnorm": lambda: optimisers.Adam(0.01, amsgrad=True, clipnorm=0.5),
        "AdamW": lambda: optimisers.AdamW(0.01, weight_decay=0.1, global_clipnorm=1.0),
        "AdamW average, cosine": lambda: optimisers.AdamW(
            optimisers.schedules.CosineDecay(0.1, 7), use_ema=True, clipvalue=0.5
        ),
        "RMSprop": lambda: optimisers.RMSprop(0.01, momentum=0.5, centered=True),
        "Adagrad": lambda: optimisers.Adagrad(0.01),
        "Adadelta": lambda: optimisers.Adadelta(0.5),
        "Adamax": lambda: optimisers.Adamax(0.01),
        "Nadam": lambda: optimisers.Nadam(0.01),
        "Ftrl": lambda: optimisers.Ftrl(0.01),
        "Lion": lambda: optimisers.Lion(0.01),
        "Adafactor": lambda: optimisers.Adafactor(0.01),
        "Lamb": lambda: optimisers.Lamb(0.01),
        "Muon": lambda: optimisers.Muon(0.01),
        "exponential decay, accumulated": lambda: optimisers.SGD(
            optimisers.schedules.ExponentialDecay(0.1, 3, 0.9), gradient_accumulation_steps=2
        ),
    }
    for name, build in made.items():

        def steps(build: Callable[[], Any] = build) -> Any:
            variables = [
                keras.Variable(make(37, 11, salt=80), name="a"),
                keras.Variable(make(129, salt=81), name="b"),
            ]
            optimiser = build()
            optimiser.build(variables)
            apply = tf.function(lambda *gradients: optimiser.apply(list(gradients)))
            for step in range(4):
                apply(*(make(*v.shape, salt=82 + step, scale=-step) for v in variables))
            return [v.value for v in variables]

        yield f"keras.optimizers {name}", steps


# ---------------------------------------------------------------- trainings


def _trained() -> Iterable[tuple[str, Operation]]:
    yield "keras fit: convolutions", lambda: _fitted(_convolutions(), (8, 8, 1))
    yield "keras fit: transformer", lambda: _fitted(_transformer(), (12,))
    yield "keras fit: recurrent", lambda: _fitted(_recurrent(), (9, 5))


def _fitted(model: keras.Model, shape: tuple[int, ...]) -> list[Any]:
    words = len(shape) == 1
    x = whole(96, *shape, below=50, salt=1) if words else make(96, *shape, salt=1)
    y = whole(96, below=10, salt=2)
    model.compile(
        optimizer=keras.optimizers.AdamW(0.01, global_clipnorm=1.0, use_ema=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    for number, variable in enumerate(model.trainable_variables):
        variable.assign(make(*variable.shape, salt=60 + number, scale=-3))
    history = model.fit(x, y, epochs=2, batch_size=32, shuffle=False, verbose=0)
    return [*(v.value for v in model.variables if v.dtype == "float32"), np.array(history.history["loss"])]


def _convolutions() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(8, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3, seed=3),
            layers.Dense(10),
        ]
    )


def _transformer() -> keras.Model:
    words = keras.Input((12,), dtype="int32")
    x = layers.Embedding(50, 32)(words)
    y = layers.MultiHeadAttention(4, 8)(x, x)
    x = layers.LayerNormalization()(x + y)
    y = layers.Dense(32)(layers.Dense(64, "gelu")(x))
    x = layers.LayerNormalization()(x + y)
    return keras.Model(words, layers.Dense(10)(ops.mean(x, 1)))


def _recurrent() -> keras.Model:
    return keras.Sequential([keras.Input((9, 5)), layers.LSTM(12), layers.Dense(10)])
