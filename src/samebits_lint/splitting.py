"""What splits, shuffles or samples data with NumPy's global generator, unless it is told otherwise."""

import ast

from samebits_lint.module import Module, argument, gives, is_constant, last

SPLITS = {"train_test_split", "ShuffleSplit", "StratifiedShuffleSplit", "GroupShuffleSplit"}
SPLITS |= {"RepeatedKFold", "RepeatedStratifiedKFold"}
FOLDS = {"KFold", "StratifiedKFold", "StratifiedGroupKFold", "GroupKFold"}  # they draw with shuffle=True only
RESAMPLED = {"sklearn.utils.shuffle", "sklearn.utils.resample"}
# Keras's ImageDataGenerator: the order of samples, and their augmentation.
FLOWS = ("flow", "flow_from_directory", "flow_from_dataframe")
FLOWING = "ImageDataGenerator"


def unseeded(module: Module, call: ast.Call) -> str:
    """The name of what draws from NumPy's global generator as it is written; empty of other calls."""
    called = module.called(call)
    if called in RESAMPLED or (called.startswith("sklearn.model_selection.") and last(called) in SPLITS):
        draws = not is_constant(argument(call, "shuffle"), False)
        return last(called) if draws and not gives(call, "random_state") else ""
    if called.startswith("sklearn.model_selection.") and last(called) in FOLDS:
        draws = is_constant(argument(call, "shuffle"), True)
        return last(called) if draws and not gives(call, "random_state") else ""
    if called or not isinstance(call.func, ast.Attribute):
        return ""
    if call.func.attr == "sample":  # pandas alone has a method of that name with `frac`
        draws = argument(call, "frac") is not None
        return "DataFrame.sample" if draws and not gives(call, "random_state") else ""
    return _of_hub(module, call)


def draws_at_once(module: Module, call: ast.Call) -> bool:
    """Whether such a call draws where it stands; `ShuffleSplit(…)` draws when it is asked to split."""
    name = last(unseeded(module, call))
    return bool(name) and name[:1].islower()


def _of_hub(module: Module, call: ast.Call) -> str:
    """`Dataset.train_test_split(…)` and `Dataset.shuffle()` of Hugging Face.

    Without a seed they take one from the state of NumPy's global generator
    (https://huggingface.co/docs/datasets/package_reference/main_classes).
    """
    assert isinstance(call.func, ast.Attribute)
    name = call.func.attr
    roots = {dotted.partition(".")[0] for dotted in module.aliases.values()}
    if "datasets" not in roots or name not in ("train_test_split", "shuffle"):
        return ""
    if gives(call, "seed") or gives(call, "generator") or is_constant(argument(call, "shuffle"), False):
        return ""
    if name == "shuffle" and (call.args or argument(call, "buffer_size") is not None):
        return ""  # another library's, which takes something first
    return "" if module.program.called(module, call) else f"Dataset.{name}"


def shuffles_flow(module: Module, call: ast.Call) -> bool:
    """Whether a call makes a flow of batches of Keras's `ImageDataGenerator` that shuffles."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in FLOWS:
        return False
    if is_constant(argument(call, "shuffle"), False):
        return False
    made = call.func.value
    values = [made]
    if isinstance(made, ast.Name):
        scope = next((s for s in module.scopes(made) if made.id in module.stored_in(s)), None)
        values = module.assigned(scope).get(made.id, []) if scope is not None else []
    return bool(values) and all(last(module.called(value)) == FLOWING for value in values)
