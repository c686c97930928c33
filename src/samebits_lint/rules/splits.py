"""Splits, shuffles and estimators that draw from NumPy's global generator."""

import ast
from collections.abc import Iterator

from samebits_lint.module import Module, argument, gives, last
from samebits_lint.rules import rule
from samebits_lint.seeding import NUMPY
from samebits_lint.splitting import unseeded

# Not svm.LinearSVC, which draws with dual=True only.
ESTIMATORS = {
    f"sklearn.{module}.{name}"
    for module, classes in {
        "ensemble": "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor "
        "BaggingClassifier BaggingRegressor IsolationForest RandomTreesEmbedding",
        "cluster": "KMeans MiniBatchKMeans BisectingKMeans SpectralClustering",
        "mixture": "GaussianMixture BayesianGaussianMixture",
        "neural_network": "MLPClassifier MLPRegressor BernoulliRBM",
        "linear_model": "SGDClassifier SGDRegressor",
        "manifold": "TSNE MDS",
        "decomposition": "FastICA TruncatedSVD LatentDirichletAllocation MiniBatchDictionaryLearning",
        "model_selection": "RandomizedSearchCV",
        "random_projection": "GaussianRandomProjection SparseRandomProjection",
        "kernel_approximation": "RBFSampler Nystroem",
    }.items()
    for name in classes.split()
}
SEEDS = {"Dataset.train_test_split": "seed", "Dataset.shuffle": "seed"}
UNSEEDED = "NumPy's global generator, which nothing here seeds"


@rule("SB101", "split-without-seed")
def split_without_seed(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if NUMPY in module.seeded:
        return
    for call in module.calls:
        if name := unseeded(module, call):
            yield call, f"{name} without {SEEDS.get(name, 'random_state')} draws from {UNSEEDED}"


@rule("SB102", "estimator-without-seed")
def estimator_without_seed(module: Module) -> Iterator[tuple[ast.AST, str]]:
    if NUMPY in module.seeded:
        return
    for call in module.calls:
        called = module.called(call)
        if called not in ESTIMATORS or gives(call, "random_state"):
            continue
        start = argument(call, "init")
        started = start is not None and not isinstance(start, ast.Constant)
        if not started and argument(call, "means_init") is None:  # which leave nothing to draw
            yield call, f"{last(called)} without random_state draws from {UNSEEDED}"
