"""The names of generators, for people."""


def generator_words(name: str) -> str:
    """What a generator is that a record names.

    >>> generator_words("keras:dropout")
    'the seed generator of `dropout`'
    """
    if name.startswith("keras:"):
        return f"the seed generator of `{name.removeprefix('keras:')}`"
    known = {
        "keras": "Keras's global seed generator",
        "tensorflow": "TensorFlow's global generator",
        "tensorflow seeds": "TensorFlow's generator of seeds for operations",
    }
    return known.get(name, f"{name}'s generator")
