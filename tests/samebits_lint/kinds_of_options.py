"""More small texts, as in kinds.py: branches that options and parameters take only where somebody asks."""

from tests.samebits_lint.kinds import _texts

PARSER = """
import argparse
import torch
from sklearn.ensemble import RandomForestClassifier
parser = argparse.ArgumentParser()
parser.add_argument("-m", "--model", default="forest")
parser.add_argument("--fast", action="store_true")
parser.add_argument("--slow", dest="careful", action="store_false")
parser.add_argument("--extra")
"""

FLAGGED = _texts(
    (
        "SB102",
        PARSER
        + """
args = parser.parse_args()
if args.model == "linear":
    net = linear()
elif args.model in ("forest", "wood"):
    net = RandomForestClassifier()
""",
    ),
    (
        "SB401",
        PARSER
        + """
def main(args):
    if not args.fast and args.careful:
        torch.backends.cudnn.benchmark = True
main(parser.parse_args())
""",
    ),
    (
        "SB401",
        PARSER
        + """
args = parser.parse_args()
args.fast = torch.cuda.is_available()
if args.fast:
    torch.backends.cudnn.benchmark = True
""",
    ),
    (
        "SB202",
        """
        import numpy as np
        from torch.utils.data import DataLoader, Dataset
        class Tiles(Dataset):
            def __init__(self, paths, mixed=False):
                self.paths, self.mixed = paths, mixed
            def __getitem__(self, n):
                if self.mixed:
                    return np.random.permutation(read(self.paths[n]))
        train = Tiles(paths, mixed=True)
        """,
    ),
)

CLEAN = _texts(
    (
        "SB102",
        PARSER
        + """
opt = parser.parse_args()
if opt.model == "linear":
    net = linear()
elif opt.model != "forest":
    net = RandomForestClassifier()
scores = None if opt.extra is None else RandomForestClassifier()
""",
    ),
    (
        "SB401",
        PARSER
        + """
def main(args):
    if args.fast or not args.careful:
        torch.backends.cudnn.benchmark = True
    if args.careful:
        pass
    else:
        torch.backends.cudnn.benchmark = True
main(parser.parse_args())
""",
    ),
    (
        "SB301",
        PARSER
        + """
args = parser.parse_args()
for x in batches if args.fast else ():
    print(x)
if args.fast:
    for x in batches:
        loss.backward()
        optimizer.step()
""",
    ),
    (
        "SB202",
        """
        import numpy as np
        from torch.utils.data import DataLoader, Dataset
        class Tiles(Dataset):
            def __init__(self, paths, mixed=False):
                self.paths = paths
                self.mixed = mixed
            def __getitem__(self, n):
                tiles = read(self.paths[n])
                if self.mixed:
                    tiles = np.random.permutation(tiles)
                return tiles
        test = Tiles(paths)
        """,
    ),
    (
        "SB301",
        """
        import keras
        from sklearn.preprocessing import LabelEncoder
        import scipy as sp
        known = LabelEncoder()
        known.fit(kinds)
        best = sp.optimize.minimize(cost, start)
        """,
    ),
    (
        "SB103",
        """
        import glob
        test_files = glob.glob("test/*.png")
        scored = [net(path) for path in test_files][:9]
        net.fit(data)
        """,
    ),
    (
        "SB307",
        """
        import random
        from elsewhere import model
        class Pad:
            def apply(self, image, seed=None):
                random.seed(seed)
                return image
        if __name__ == "__main__":
            model.apply(freeze)
        """,
    ),
    (
        "SB301",
        """
        import tensorflow as tf
        def heat(net, picture):
            with tf.GradientTape() as tape:
                score = net(picture)
            return tape.gradient(score, picture)
        heat(load(), picture)
        if __name__ == "__main__":
            heat(load(), picture)
        """,
    ),
    (
        "SB305",
        """
        import torch
        from thop import profile
        example = torch.randn(1, 3, 8, 8)
        operations, size = profile(net, inputs=(example,))
        for x in batches:
            loss.backward()
            optimizer.step()
        """,
    ),
    ("SB306", "import os\nos.environ.setdefault('PYTHONPATH', '.')"),
    (
        "SB302",
        """
        import random
        import torch
        def loaders():
            return random.sample(rows, 9)
        first = loaders()
        if __name__ == "__main__":
            random.seed(0)
            train = loaders()
            for x in train:
                net(x).backward()
                optimizer.step()
        """,
    ),
)
