# ruff: noqa: E501 (what is changed in a script stands on one line)
"""Faults of trainings in Keras. Places and causes were written before `samebits diff` had seen any of them."""

from tests.localise.fault import ANY, Fault

COMPUTED = ("forward", "loss", "gradient")
HASH_SEEDS = ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"})
STOPPED = ("--stop-after", "1")
LOAD = "        model = keras.models.load_model(CHECKPOINT)\n"
CHOOSE = "generator = np.random.default_rng([self.seed, self.epoch])"

FAULTS = {
    # ------------------------------------------------------------ chance that no seed decides
    "tf.data draws from a generator without a seed": Fault(
        "an unseeded generator in a worker",
        "keras_digits.py",
        ("batch",),
        1,
        ("chance generator",),
        says="from_non_deterministic_state",
        change={
            "TRAIN, HELD = ": "DRAWN = tf.random.Generator.from_non_deterministic_state()\nTRAIN, HELD = ",
            "tf.random.uniform([], 0.9, 1.1)": "DRAWN.uniform([], 0.9, 1.1)",
        },
        both=True,
    ),
    "places from default_rng()": Fault(
        "an unseeded generator",
        "keras_waves.py",
        ("batch",),
        1,
        ("chance generator",),
        says="default_rng",
        change={CHOOSE: "generator = np.random.default_rng()"},
        both=True,
    ),
    "Keras's seed is set after the model": Fault(
        "a seed after the model",
        "keras_digits.py",
        ("initial",),
        None,
        ("chance global generator",),
        change={
            "    keras.utils.set_random_seed(args.seed)\n": "",
            "    model = network()\n": "    model = network()\n    keras.utils.set_random_seed(args.seed)\n",
        },
        both=True,
    ),
    "the vocabulary is a set": Fault(
        "set order: strings",
        "keras_reviews.py",
        ("batch",),
        1,
        ("hash seed",),
        change={
            "sorted({word for text in texts for word in text})": "list({word for text in texts for word in text})"
        },
        both=True,
        environment=HASH_SEEDS,
    ),
    "reviews in the order of the folder": Fault(
        "unsorted listings",
        "keras_reviews.py",
        ("batch",),
        1,
        ("file listing",),
        says="reviews",
        change={'sorted(FOLDER.glob("*/*.txt"))': 'list(FOLDER.glob("*/*.txt"))'},
        both=True,
        data="backwards",
    ),
    "the time is Keras's seed": Fault(
        "seeds from the clock",
        "keras_digits.py",
        ("initial",),
        None,
        ("chance seed",),
        says="keras_digits.py",
        change={
            "import argparse\n": "import argparse\nimport time\n",
            "set_random_seed(args.seed)": "set_random_seed(int(time.time() * 1000) % 2**31)",
        },
        both=True,
    ),
    "parts of a wave as threads complete them": Fault(
        "completion order of a pool",
        "keras_waves.py",
        ("batch",),
        1,
        ("chance completion",),
        says="keras_waves.py",
        change={
            "import argparse\n": "import argparse\nimport time\n",
            "ThreadPoolExecutor\n": "ThreadPoolExecutor, as_completed\n",
            "    return np.loadtxt(": "    time.sleep(time.perf_counter_ns() % 7 / 100)\n    return np.loadtxt(",
            'list(pool.map(part, sorted(args.waves.glob("*.txt"))))': "[done.result() for done in "
            'as_completed([pool.submit(part, file) for file in sorted(args.waves.glob("*.txt"))])]',
        },
        both=True,
    ),
    # ------------------------------------------------------------ data
    "cache() of an earlier run": Fault(
        "a stale cache file",
        "keras_digits.py",
        ("batch",),
        1,
        ("file only", "chance file"),
        says="cache",
        change={".map(brighten).batch(": '.map(brighten).cache("cache").batch('},
        both=True,
        before=("--seed", "5"),
    ),
    "a value of a wave": Fault(
        "a data file changed",
        "keras_waves.py",
        ("batch",),
        ANY,
        ("file contents",),
        says="1.txt",
        data="other file",
    ),
    "a pixel of a digit": Fault(
        "one pixel",
        "keras_digits.py",
        ("batch",),
        ANY,
        ("contents",),
        change={"    return images, ": "    images[3, 4, 4, 0] += 1 / 16\n    return images, "},
    ),
    "rows of each batch are reversed": Fault(
        "rows swapped",
        "keras_waves.py",
        ("batch",),
        1,
        ("order",),
        change={"        starts = self.starts[index]\n": "        starts = self.starts[index][::-1]\n"},
    ),
    "not shuffled": Fault(
        "another order",
        "keras_reviews.py",
        ("batch",),
        1,
        ("order",),
        change={"EPOCHS, verbose=0)": "EPOCHS, verbose=0, shuffle=False)"},
    ),
    "batches of sixteen": Fault(
        "another batch size",
        "keras_digits.py",
        ("batch",),
        1,
        ("shape", "command"),
        arguments=("--batch-size", "16"),
    ),
    # ------------------------------------------------------------ evaluation
    "a callback draws": Fault(
        "evaluation that draws",
        "keras_waves.py",
        ("batch",),
        5,
        ("generator",),
        says="numpy",
        shared={
            CHOOSE: "generator = np.random.RandomState(np.random.randint(1000))",
            "generator.integers(": "generator.randint(",
        },
        change={
            "        self.model.save(CHECKPOINT)\n": "        self.model.save(CHECKPOINT)\n        np.random.rand()\n"
        },
    ),
    "evaluation with training=True": Fault(
        "dropout left on in evaluation",
        "keras_waves.py",
        ("evaluation", "mode"),
        12,
        ("mode",),
        shared={
            "    print(f": "    x, y = data[0]\n    held = keras.ops.mean((model(x, training=False) - y) ** 2)\n    print(f",
            "float(model.evaluate(data, verbose=0))": "float(held)",
        },
        change={"training=False": "training=True"},
    ),
    # ------------------------------------------------------------ the model
    "heads in another order": Fault(
        "initial weights in another order",
        "keras_reviews.py",
        ("initial",),
        None,
        ("initial order", "initial place"),
        change={
            '    kind = layers.Dense(1, name="kind")(x)\n    length = layers.Dense(1, name="length")(x)\n': "    length = "
            'layers.Dense(1, name="length")(x)\n    kind = layers.Dense(1, name="kind")(x)\n'
        },
    ),
    "a draw before the layers": Fault(
        "initial weights from another place",
        "keras_reviews.py",
        ("initial",),
        None,
        ("initial place",),
        change={
            "import sys\n": "import random\nimport sys\n",
            "    model = network(words)\n": "    print(random.choice(texts))\n    model = network(words)\n",
        },
    ),
    "a wider GRU": Fault(
        "another model",
        "keras_reviews.py",
        ("model",),
        None,
        ("model",),
        change={"layers.GRU(12": "layers.GRU(13"},
    ),
    "the first layer is not trained": Fault(
        "a frozen layer",
        "keras_digits.py",
        ("model", "gradient"),
        ANY,
        ("code",),
        says="keras_digits.py",
        change={
            "    optimizer = keras": '    model.get_layer("first").trainable = False\n    optimizer = keras'
        },
    ),
    "dropout of another rate": Fault(
        "a code line changed",
        "keras_digits.py",
        ("forward",),
        1,
        ("code",),
        says="keras_digits.py",
        change={"layers.Dropout(0.3)": "layers.Dropout(0.4)"},
    ),
    "moving averages of batch norm": Fault(
        "batch statistics",
        "keras_digits.py",
        ("buffer",),
        1,
        ("batch statistics",),
        change={'BatchNormalization(name="norm")': 'BatchNormalization(momentum=0.9, name="norm")'},
    ),
    "mixed_bfloat16": Fault(
        "autocast toggled",
        "keras_digits.py",
        ("forward",),
        1,
        ("autocast",),
        change={
            "    keras.utils.set_random_seed(args.seed)\n": "    keras.utils.set_random_seed(args.seed)\n"
            '    keras.mixed_precision.set_global_policy("mixed_bfloat16")\n'
        },
    ),
    # ------------------------------------------------------------ loss, gradients, optimiser
    "more label smoothing": Fault(
        "another loss",
        "keras_digits.py",
        ("loss",),
        1,
        ("loss",),
        change={"label_smoothing=0.05": "label_smoothing=0.1"},
    ),
    "a head weighs more": Fault(
        "another loss",
        "keras_reviews.py",
        ("loss",),
        1,
        ("loss",),
        change={'"length": 0.5}': '"length": 0.6}'},
    ),
    "no clipnorm": Fault(
        "clipping left out",
        "keras_digits.py",
        ("clipping",),
        1,
        ("clipping",),
        change={", clipnorm=0.5)": ")"},
    ),
    "epsilon of AdamW": Fault(
        "epsilon",
        "keras_reviews.py",
        ("parameter",),
        1,
        ("optimizer",),
        change={"epsilon=1e-7": "epsilon=1e-5"},
    ),
    "less momentum": Fault(
        "the optimiser's settings",
        "keras_digits.py",
        ("optimizer state",),
        2,
        ("optimizer",),
        change={"momentum=0.9": "momentum=0.8"},
    ),
    "more weight decay": Fault(
        "weight decay on other groups",
        "keras_reviews.py",
        ("parameter",),
        1,
        ("optimizer",),
        change={"weight_decay=0.01": "weight_decay=0.02"},
    ),
    "the rate is halved an epoch later": Fault(
        "a schedule off by one",
        "keras_digits.py",
        ("learning rate",),
        6,
        ("schedule",),
        change={"epoch < 1": "epoch < 2"},
    ),
    "the warm-up takes a step more": Fault(
        "a schedule off by one",
        "keras_reviews.py",
        ("learning rate",),
        2,
        ("schedule",),
        change={"warmup_steps=3": "warmup_steps=4"},
    ),
    # ------------------------------------------------------------ resumed
    "dropout begins anew": Fault(
        "Keras's dropout state lost",
        "keras_waves.py",
        ("forward",),
        5,
        ("resume",),
        change={
            "        for state, saved in zip(drawn(model), np.load(DRAWN).values(), strict=True):\n"
            "            state.assign(saved)\n": ""
        },
        both=True,
        resumed=STOPPED,
    ),
    "the optimiser begins anew": Fault(
        "resumed without a state",
        "keras_waves.py",
        ("optimizer state",),
        5,
        ("resume",),
        says="optimiser",
        change={
            LOAD: "        model = keras.models.load_model(CHECKPOINT, compile=False)\n"
            '        model.compile(keras.optimizers.RMSprop(0.003, momentum=0.5), "mse")\n',
            "first = int(model.optimizer.iterations.numpy()) // STEPS": "first = args.stopped",
            'parser.add_argument("--resume", action="store_true")\n': 'parser.add_argument("--resume", action="store_true")\n'
            'parser.add_argument("--stopped", type=int, default=1)\n',
        },
        both=True,
        resumed=STOPPED,
    ),
    "the places of the first epoch again": Fault(
        "resumed a batch late",
        "keras_waves.py",
        ("batch",),
        5,
        ("resume",),
        change={"epoch=first)": "epoch=0)"},
        both=True,
        resumed=STOPPED,
    ),
    # ------------------------------------------------------------ the machine and its settings
    "TensorFlow without oneDNN": Fault(
        "a switch of the framework",
        "keras_digits.py",
        COMPUTED,
        1,
        ("determinism", "settings"),
        environment=({}, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    ),
}
