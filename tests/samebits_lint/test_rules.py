"""Each rule on small texts: what it must name, and what it must leave alone."""

from pathlib import Path

import pytest
from tests.samebits_lint import kinds, kinds_of_options, kinds_of_order, kinds_of_seeds

from samebits_lint import rules
from samebits_lint.check import check

SCRIPT = (
    '\nif __name__ == "__main__":\n    for x in data:\n        loss.backward()\n        optimizer.step()\n'
)
TRAINED = "\n\ndef train():\n    loss.backward()\n    optimizer.step()\n"
DATASET = "from torch.utils.data import Dataset\nclass Images(Dataset):\n    def __getitem__(self, index):\n        "  # noqa: E501
NETWORK = "import torch\nimport torch.nn.functional as F\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        x = self.conv(x)\n        "  # noqa: E501
LAYER = "import keras\nimport tensorflow as tf\nclass Pool(keras.layers.Layer):\n    def call(self, x, ids):\n        "  # noqa: E501

SEEDED = "\nimport random\nrandom.seed(0)"

FLAGGED = [
    ("SB101", "from sklearn.model_selection import train_test_split as tts\ntts(x, y)"),
    ("SB101", "from sklearn import model_selection\nmodel_selection.KFold(5, shuffle=True)"),
    (
        "SB101",
        "from sklearn.model_selection import StratifiedKFold\nStratifiedKFold(shuffle=True, random_state=None)",  # noqa: E501
    ),
    ("SB101", "from sklearn.model_selection import ShuffleSplit\nShuffleSplit()"),
    ("SB101", "import sklearn.utils\nsklearn.utils.shuffle(x)"),
    ("SB101", "from sklearn.utils import resample\nresample(x)"),
    ("SB101", "table.sample(frac=1)"),
    ("SB101", "import torch\nfrom sklearn.utils import shuffle\ntorch.manual_seed(0)\nshuffle(x)"),
    ("SB102", "from sklearn.cluster import KMeans\nKMeans(3)"),
    ("SB102", "import sklearn.ensemble as e\ne.RandomForestRegressor()"),
    ("SB103", "import os\nfiles = os.listdir('d')\nrest = files[100:]"),
    (
        "SB103",
        "import glob\nclass Images:\n    def __init__(self):\n        self.files = glob.glob('*')\n    def __getitem__(self, i):\n        return self.files[i]",  # noqa: E501
    ),
    (
        "SB103",
        "from pathlib import Path\nout = []\nfor f in Path('.').iterdir():\n    out.append(f)\nfirst = out[:5]",  # noqa: E501
    ),
    ("SB103", "import os\nimport random\nrandom.shuffle(os.listdir('d'))"),
    (
        "SB103",
        "import os\nout = []\nfor root, dirs, files in os.walk('d'):\n    for f in files:\n        out.append(f)\ntrain = out[:9]",  # noqa: E501
    ),
    ("SB104", "ids = {w: i for i, w in enumerate(set(words))}"),
    ("SB104", "ids = {}\nfor w in {w for w in words}:\n    ids[w] = len(ids)"),
    ("SB104", "some = list(set(words))[:100]"),
    ("SB104", "import random\nlabels = {'cat', 'dog'}\nrandom.sample(list(labels), 1)"),
    ("SB105", "bucket = hash(name) % 10"),
    ("SB105", "import torch\ntorch.manual_seed(hash(name))"),
    ("SB105", "seed = hash('run')"),
    ("SB106", "import time\nimport torch\nx = torch.ones(3)\nloss = model(x + time.time())"),
    ("SB106", "import time\nimport torch\nmodel(x + time.time() % 1)"),
    ("SB106", "import time\nimport numpy as np\nx = np.zeros(3)\nx += time.perf_counter()"),
    ("SB106", "from time import time_ns\nimport numpy as np\nx = np.zeros(3)\nx[0] = time_ns()"),
    ("SB106", "import os\nimport torch\nscale = os.getpid() / 1e6\nnoisy = torch.rand(3) * scale"),
    ("SB106", "import os\nimport numpy as np\nnoise = np.frombuffer(os.urandom(8), np.uint8)"),
    ("SB106", "import secrets\nimport torch\nx = torch.full((3,), secrets.randbelow(9))"),
    ("SB106", "import uuid\nimport torch\nx = torch.tensor([uuid.uuid4().int % 7])"),
    (
        "SB106",
        "import torch\nfrom datetime import datetime\nx = torch.tensor(datetime.now().microsecond / 1e6)",
    ),
    ("SB106", "import time\nimport torch\ntorch.nn.init.constant_(layer.weight, time.time())"),
    ("SB106", "import time\nimport torch\nfor p in model.parameters():\n    p.data.add_(time.time())"),
    ("SB106", "import time\nimport torch\nfor a, b in loader:\n    a = a * time.time()"),
    ("SB106", "import time\nimport tensorflow as tf\nx = tf.constant(float(int(time.time())))"),
    ("SB106", "import torch\nx = torch.tensor(id(model))"),
    ("SB106", "import torch\nx = torch.tensor(hash(name))"),
    ("SB106", "import time\nimport torch\n" + DATASET + "return self.images[index], time.time()"),
    (
        "SB106",
        "import time\nimport torch\nclass A(torch.nn.Module):\n    def forward(self, h):\n        return time.time()",  # noqa: E501
    ),
    ("SB304", "import time\nimport torch\ntorch.manual_seed(time.process_time_ns())"),
    ("SB304", "import torch\nseed = id(model)"),
    ("SB201", "from torch.utils.data import DataLoader\nDataLoader(d, shuffle=True)"),
    ("SB201", "import torch.utils.data as data\ndata.DataLoader(d, 8, True)"),
    ("SB201", "import torch\ntorch.utils.data.random_split(d, [1, 2])"),
    ("SB201", "from torch.utils.data import WeightedRandomSampler\nWeightedRandomSampler(w, 4)"),
    ("SB202", "import numpy as np\n" + DATASET + "return np.random.rand()"),
    (
        "SB202",
        "import random\n"
        + DATASET
        + "return self.cut(index)\n    def cut(self, i):\n        return random.random()",
    ),
    (
        "SB202",
        "import random\nimport torch\nclass RandomCrop:\n    def __call__(self, x):\n        return random.random()",  # noqa: E501
    ),
    ("SB202", "import random\ndef my_collate(batch):\n    random.shuffle(batch)"),
    (
        "SB205",
        "import random\nimport torch\ntorch.manual_seed(0)\nrandom.seed(0)\n"
        + DATASET
        + "return random.random()",
    ),
    ("SB203", "import tensorflow as tf\no = tf.data.Options()\no.deterministic = False"),
    ("SB203", "import tensorflow as tf\nd.interleave(f, deterministic=False)"),
    (
        "SB204",
        "import tensorflow as tf\ntf.data.Dataset.list_files('*')\nif __name__ == '__main__':\n    show()",
    ),
    ("SB301", "import torch" + SCRIPT),
    (
        "SB301",
        "import torch\ndef go():\n    loss.backward()\n    o.step()\nif __name__ == '__main__':\n    go()",
    ),
    (
        "SB301",
        "import torch\ndef main(_):\n    Run().go()\nclass Run:\n    def go(self):\n        loss.backward()\n        o.step()\nif __name__ == '__main__':\n    app.run(main)",  # noqa: E501
    ),
    ("SB301", "import keras\nmodel = keras.Sequential()\nmodel.fit(x, y)"),
    ("SB301", "import lightning\ntrainer = lightning.Trainer()\ntrainer.fit(model)"),
    (
        "SB301",
        "import torch\nfor x in data:\n    loss.backward()\n    optimizer.step()\n    profiler.step()\nif __name__: go()",  # noqa: E501
    ),
    ("SB201", "from torch.utils.data import DataLoader\nlatest_loader = DataLoader(d, shuffle=True)"),
    ("SB302", "import torch\nclass Net(torch.nn.Module):\n    pass\nnet = Net()\ntorch.manual_seed(0)"),
    ("SB302", "import torch\noptimizer = torch.optim.SGD(p)\ntorch.manual_seed(0)"),
    ("SB302", "import numpy as np\ndef main():\n    order = np.random.permutation(9)\n    np.random.seed(0)"),
    ("SB302", "import keras\nmodel = keras.Sequential()\nkeras.utils.set_random_seed(0)"),
    ("SB303", "import numpy as np\nnp.random.default_rng()"),
    ("SB303", "import numpy as np\nnp.random.RandomState(None)"),
    ("SB303", "import random\nr = random.Random()"),
    ("SB303", "import torch\ng = torch.Generator()\ng.seed()"),
    ("SB303", "import torch\ntorch.Generator().seed()"),
    ("SB304", "import random\nimport time\nrandom.seed(time.time())"),
    ("SB304", "import os\nSEED = seed = os.getpid()"),
    ("SB304", "import uuid\nfrom sklearn.utils import shuffle\nshuffle(x, random_state=uuid.uuid4().int)"),
    (
        "SB304",
        "import random\nopt.manualSeed = random.randint(1, 9)\nrandom.seed(opt.manualSeed)\nif __name__ == '__main__':\n    show()",  # noqa: E501
    ),
    ("SB305", "import random\nimport torch\ntorch.manual_seed(0)\nrandom.shuffle(x)" + SCRIPT),
    ("SB305", "import numpy as np\norder = np.random.permutation(9)" + SCRIPT),
    ("SB306", "import os\nos.environ['PYTHONHASHSEED'] = '0'\nwords = list(set(text.split()))[:9]"),
    ("SB306", "from os import environ\nenviron.setdefault('PYTHONHASHSEED', '0')\nbucket = hash(word) % 9"),
    ("SB306", "import os\nos.environ.update({'LD_PRELOAD': 'x'})"),
    ("SB405", "import numpy\nimport os\nos.environ['OMP_NUM_THREADS'] = '1'"),
    ("SB306", "import os\nimport keras\nos.environ['KERAS_BACKEND'] = 'torch'"),
    ("SB401", "from torch.backends import cudnn\ncudnn.benchmark = True"),
    ("SB401", "import lightning as L\nL.Trainer(benchmark=True)"),
    ("SB402", "import torch\ntorch.use_deterministic_algorithms(False)"),
    ("SB402", "import torch\ntorch.use_deterministic_algorithms(True, warn_only=True)"),
    ("SB402", "import torch.backends.cudnn as cudnn\ncudnn.deterministic = False"),
    ("SB402", "import torch\ntorch.set_deterministic_debug_mode('warn')"),
    ("SB403", "import torch\ntorch.backends.cuda.matmul.allow_tf32 = True"),
    ("SB403", "import torch\ntorch.set_float32_matmul_precision('medium')"),
    ("SB403", "import torch\ntorch.backends.cudnn.conv.fp32_precision = 'tf32'"),
    ("SB501", "from tensorflow.python.keras.layers import Dense" + SEEDED),
    ("SB501", "import tensorflow as tf\ntf.python.keras.layers.Dense(1)" + SEEDED),
    ("SB501", "from tensorflow.python import keras as k" + SEEDED),
    (
        "SB502",
        "import keras\nfrom tensorflow.keras import layers\nkeras.Sequential([layers.Dense(1)])" + SEEDED,
    ),
    ("SB502", "import tf_keras\nimport tensorflow as tf\ntf_keras.Model()\ntf.keras.Model()" + SEEDED),
    ("SB601", NETWORK + "return F.interpolate(x, size=8, mode='bilinear')" + TRAINED),
    ("SB601", NETWORK + "return F.grid_sample(x, self.grid)" + TRAINED),
    ("SB601", NETWORK + "return F.pad(x, (1, 1), mode='reflect')" + TRAINED),
    ("SB601", "import torch\nloss = torch.nn.CTCLoss()"),
    (
        "SB601",
        "from torch import nn\nclass N(nn.Module):\n    def __init__(self):\n        self.up = nn.Upsample(2, None, 'bicubic')"  # noqa: E501
        + TRAINED,
    ),
    ("SB602", LAYER + "return tf.math.segment_sum(x, ids)" + TRAINED),
]

CLEAN = [
    ("SB101", "import numpy as np\nfrom sklearn.utils import shuffle\nnp.random.seed(0)\nshuffle(x)"),
    ("SB101", "from utils import set_seed\nfrom sklearn.utils import shuffle\nset_seed(0)\nshuffle(x)"),
    (
        "SB101",
        "from sklearn.model_selection import KFold, train_test_split\nKFold(5)\ntrain_test_split(x, shuffle=False)",  # noqa: E501
    ),
    ("SB101", "from sklearn.utils import shuffle\nshuffle(x, **options)"),
    ("SB101", "from mine import train_test_split\ntrain_test_split(x)"),
    ("SB102", "from sklearn.cluster import KMeans\nKMeans(3, init=centres)\nKMeans(3, random_state=1)"),
    ("SB102", "from sklearn.linear_model import LogisticRegression\nLogisticRegression()"),
    ("SB103", "import os\nfiles = sorted(os.listdir('d'))\nrest = files[100:]"),
    ("SB103", "import os\nfiles = os.listdir('d')\nfiles.sort()\nrest = files[100:]"),
    (
        "SB103",
        "import os\nn = len(os.listdir('d'))\nif 'x' in os.listdir('d'):\n    pass\nm = max(os.listdir('d'))",
    ),
    ("SB103", "import glob\nimport os\nfor f in glob.glob('*.tmp'):\n    os.remove(f)\n    print(f)"),
    (
        "SB103",
        "import os\nfor root, dirs, files in os.walk('d'):\n    dirs.sort()\n    for f in sorted(files):\n        out.append(f)\ntrain = out[:9]",  # noqa: E501
    ),
    (
        "SB103",
        "import os\nnames = {f for f in os.listdir('d')}\nif any(f.endswith('x') for f in os.listdir('d')):\n    pass",  # noqa: E501
    ),
    ("SB103", "import glob\nwhere = {}\nfor i, shard in enumerate(glob.glob('*')):\n    where[shard] = i"),
    ("SB103", "from pathlib import Path\nconfiguration = list(Path('.').glob('*.yaml'))[0]"),
    (
        "SB104",
        "ids = {w: i for i, w in enumerate(sorted(set(words)))}\nn = len(set(words))\nx = 'a' in {'a', 'b'}",
    ),
    ("SB104", "for i in {3, 1, 2}:\n    out.append(i)\nsome = out[:2]\nfew = list(set(indices))[:2]"),
    ("SB104", "words = list(set(words))\nwords.sort()\nsome = words[:3]"),
    ("SB105", "class A:\n    def __hash__(self):\n        return hash(self.name) % 10"),
    ("SB105", "known = {hash(name): name}\nbucket = hash(3) % 2\nb = hash((1, 2)) if x else 0"),
    ("SB105", "def hash(x):\n    return 1\nbucket = hash(name) % 10"),
    ("SB106", "import time\nimport torch\nstart = time.time()\nprint(time.time() - start)"),
    ("SB106", "import time\nimport torch\nt = torch.tensor([time.time() - start])\ndist.all_reduce(t)"),
    ("SB106", "import time\nimport numpy as np\ntimes = np.zeros(9)\ntimes[0] = time.time()"),
    (
        "SB106",
        "import time\nimport torch\nend = timeout + time.time()\nif time.time() > end:\n    x = torch.ones(3)",  # noqa: E501
    ),
    (
        "SB106",
        "import time\nimport torch\ntorch.save(x, f'{time.time()}.pt')\nlog({'x': x, 'at': time.time()})",
    ),
    (
        "SB106",
        "import os\nimport torch\nname = 'run-%d' % os.getpid()\nwriter.add_scalar('loss', loss, time.time())",  # noqa: E501
    ),
    (
        "SB106",
        "import datetime\nimport torch\nrun = datetime.datetime.now().strftime('%Y')\nx = torch.ones(3)",
    ),
    ("SB106", "import time\nx = y + time.time()"),
    (
        "SB106",
        "import time\nimport torch\nrate = x.shape[0] / (time.time() - start)\nspeed = len(x) * 2 + time.time()",  # noqa: E501
    ),
    ("SB106", "import numpy as np\nimport os\nseed = np.frombuffer(os.urandom(4), np.uint32)"),
    ("SB106", "import torch\ncache = {id(x): x}\nx = cache[id(x)] + 1\nif id(x) in seen:\n    x += 1"),
    (
        "SB106",
        "import time\nimport torch\nstart_time = torch.tensor(time.time())\ndist.broadcast(start_time)",
    ),
    ("SB106", "import numpy as np\nx = np.full(3, hash(3))\nbucket = np.array(hash((1, 2)))"),
    (
        "SB106",
        "import time\nimport torch\nclass A:\n    def elapsed(self):\n        return time.time() - self.start",  # noqa: E501
    ),
    (
        "SB201",
        "import torch\nfrom torch.utils.data import DataLoader\ntorch.manual_seed(0)\nDataLoader(d, shuffle=True)",  # noqa: E501
    ),
    (
        "SB201",
        "from torch.utils.data import DataLoader\nDataLoader(d)\nDataLoader(d, shuffle=True, generator=g)\nDataLoader(d, **o)",  # noqa: E501
    ),
    ("SB201", "from torch.utils.data import random_split\nrandom_split(d, [1, 2], g)"),
    (
        "SB202",
        "import numpy as np\n"
        + DATASET
        + "return self.rng.random()\n    def __init__(self):\n        self.o = np.random.permutation(9)",
    ),
    (
        "SB202",
        "import random\nimport torch\ntorch.manual_seed(0)\n" + DATASET + "return random.random()",
    ),
    (
        "SB205",
        "import numpy as np\n" + DATASET + "return self.rng.random()",
    ),
    ("SB203", "import tensorflow as tf\nd.map(f, deterministic=True)\nd.map(g)"),
    (
        "SB204",
        "import tensorflow as tf\ntf.random.set_seed(0)\ntf.data.Dataset.list_files('*')\nif __name__ == '__main__':\n    show()",  # noqa: E501
    ),
    ("SB301", "import torch\ntorch.manual_seed(0)" + SCRIPT),
    (
        "SB301",
        "import torch\nimport samebits.torch\nwith samebits.torch.open_run(s) as run:\n    pass" + SCRIPT,
    ),
    ("SB301", "import torch\nfrom mine import train\ndef main(args):\n    train(args.seed)" + SCRIPT),
    (
        "SB301",
        "import torch\ndef train():\n    loss.backward()\n    o.step()\nif __name__ == '__main__':\n    show()",  # noqa: E501
    ),
    ("SB301", "import torch\ndef step():\n    loss.backward()\n    optimizer.step()"),
    ("SB301", "import keras\nencoder.fit(x)\nif __name__ == '__main__':\n    show()"),
    ("SB301", "import torch\nif __name__ == '__main__':\n    loss.backward()\n    optimizer.step()"),
    ("SB301", "import keras\ndatagen.fit(x)\nif __name__ == '__main__':\n    show()"),
    (
        "SB301",
        "from keras.preprocessing.image import ImageDataGenerator\nimages = ImageDataGenerator()\nimages.fit(x)",  # noqa: E501
    ),
    ("SB301", "import torch\nfor x in data:\n    loss.backward()\n    profiler.step()\nif __name__: show()"),
    (
        "SB301",
        "import torch\nwith torch.profiler.profile() as p:\n    for x in data:\n        loss.backward()\n        p.step()\nif __name__: show()",  # noqa: E501
    ),
    (
        "SB301",
        "import tensorflow as tf\ndef step():\n    with tf.GradientTape() as t:\n        pass\nstep = tf.function(step)\nif __name__ == '__main__':\n    pass",  # noqa: E501
    ),
    (
        "SB301",
        "from lightning.pytorch.cli import LightningCLI\ncli = LightningCLI(Net, Data)\ncli.trainer.fit(net)",
    ),
    (
        "SB201",
        "import torch\nfrom torch.utils.data import DataLoader\ntest_loader = DataLoader(d, shuffle=True)",
    ),
    (
        "SB201",
        "import torch\nfrom torch.utils.data import DataLoader\nself.validation = DataLoader(d, shuffle=True)",  # noqa: E501
    ),
    ("SB302", "import torch\ntorch.manual_seed(0)\nnet = torch.nn.Linear(1, 1)\ntorch.manual_seed(1)"),
    (
        "SB302",
        "import torch\nfrom torch.utils.data import DataLoader\nloader = DataLoader(d)\ntorch.manual_seed(0)",
    ),
    ("SB302", "import torch\ndef net():\n    return torch.nn.Linear(1, 1)\ntorch.manual_seed(0)"),
    ("SB303", "import numpy as np\nnp.random.default_rng(seed)\nnp.random.RandomState(seed=3)"),
    ("SB303", "import random\nr = random.Random()\nr.seed(3)"),
    ("SB303", "import torch\ng = torch.Generator()\ng.manual_seed(0)"),
    (
        "SB303",
        "import numpy as np\ndef f(rng=None):\n    if rng is None:\n        rng = np.random.default_rng()\n    rng = rng or np.random.default_rng()",  # noqa: E501
    ),
    ("SB304", "import time\nstart = time.time()\nseed = 3"),
    ("SB304", "import time\nseed = args.seed or int(time.time())"),
    ("SB304", "import time\nif not args.seed:\n    args.seed = int(time.time())"),
    (
        "SB304",
        "import random\nrandom.seed(0)\nseed = random.randint(1, 9)\nif __name__ == '__main__':\n    show()",
    ),
    ("SB305", "import random\nrandom.seed(0)\nrandom.shuffle(x)" + SCRIPT),
    ("SB305", "import random\nport = random.randint(10000, 60000)" + SCRIPT),
    (
        "SB305",
        "import random\ndef augment(x):\n    return random.random()" + SCRIPT,
    ),  # which nothing here calls
    ("SB305", "import random\ndef augment(x):\n    return random.random()"),
    ("SB306", "import os\nos.environ['PYTHONHASHSEED'] = '0'\nwords = sorted(set(text.split()))[:9]"),
    ("SB306", "import numpy\nimport os\nos.environ['OMP_NUM_THREADS'] = '1'"),
    ("SB405", "import os\nos.environ['OMP_NUM_THREADS'] = '1'\nimport numpy"),
    ("SB306", "import os\nimport subprocess\nos.environ['PYTHONHASHSEED'] = '0'\nsubprocess.run(['python'])"),
    (
        "SB306",
        "import os\nimport torch.multiprocessing as mp\nos.environ['PYTHONHASHSEED'] = '0'\nmp.spawn(main)",
    ),
    (
        "SB306",
        "import multiprocessing\nimport os\nos.environ['PYTHONHASHSEED'] = '0'\nmultiprocessing.Process()",
    ),
    ("SB306", "import os\nos.environ['WANDB_MODE'] = 'offline'"),
    (
        "SB401",
        "import torch\ntorch.backends.cudnn.benchmark = False\ntorch.backends.cudnn.benchmark = args.fast",
    ),
    (
        "SB401",
        "from torch.backends import cudnn\nif args.deterministic:\n    pass\nelse:\n    cudnn.benchmark = True\nif config.get('cudnn_benchmark'):\n    cudnn.benchmark = True",  # noqa: E501
    ),
    ("SB401", "from torch.backends import cudnn\ncudnn.benchmark = True\ncudnn.benchmark = False"),
    ("SB401", "import torch\ntorch.backends.cudnn.benchmark = True\nmodel(x)\ntorch.cuda.synchronize()"),
    ("SB402", "import torch\ndef disable():\n    torch.use_deterministic_algorithms(False)"),
    (
        "SB402",
        "import torch\ntorch.use_deterministic_algorithms(True)\ntorch.set_deterministic_debug_mode('error')",
    ),
    (
        "SB403",
        "import torch\ntorch.set_float32_matmul_precision('highest')\ntorch.backends.cudnn.allow_tf32 = False",  # noqa: E501
    ),
    ("SB501", "from keras.layers import Dense\nfrom tensorflow.python.framework import ops" + SEEDED),
    (
        "SB501",
        "try:\n    import keras\nexcept ImportError:\n    from tensorflow.python import keras" + SEEDED,
    ),
    (
        "SB502",
        "from tensorflow import keras\nimport tensorflow as tf\nkeras.Model()\ntf.keras.Model()" + SEEDED,
    ),
    (
        "SB502",
        "import keras\nimport tensorflow as tf\nkeras.Model()\ntf.keras.backend.clear_session()" + SEEDED,
    ),
    ("SB601", NETWORK + "return F.interpolate(x, size=8, mode='nearest')" + TRAINED),
    ("SB601", NETWORK + "return F.interpolate(x, size=8, mode='bilinear')"),  # nothing here trains it
    ("SB601", NETWORK + "with torch.no_grad():\n            return F.grid_sample(x, g)" + TRAINED),
    ("SB601", NETWORK + "return F.interpolate(image, size=8, mode='bilinear')" + TRAINED),
    (
        "SB601",
        "import torch.nn.functional as F\ndef resize(x):\n    return F.interpolate(x, size=8, mode='bilinear')",  # noqa: E501
    ),
    (
        "SB601",
        "torch.use_deterministic_algorithms(True)\n"
        + NETWORK
        + "return F.interpolate(x, 8, mode='linear')"
        + TRAINED,
    ),
    (
        "SB601",
        "import samebits\nwith samebits.open_run(s, framework='torch') as run:\n    pass\n"
        + NETWORK
        + "return F.interpolate(x, 8, mode='linear')"
        + TRAINED,
    ),
    ("SB602", "import tensorflow as tf\ndef pack(x):\n    return tf.math.segment_sum(x, ids)" + TRAINED),
    ("SB602", LAYER + "return tf.math.segment_sum(x, ids)"),
]


def codes(tmp_path: Path, text: str) -> set[str]:
    file = tmp_path / "train.py"
    file.write_text(text + "\n")
    return {problem.rule for problem in check([file], rules.load())}


for texts in (kinds, kinds_of_options, kinds_of_order, kinds_of_seeds):
    FLAGGED += texts.FLAGGED
    CLEAN += texts.CLEAN


@pytest.mark.parametrize(("code", "text"), FLAGGED)
def test_it_names(tmp_path, code, text):
    assert code in codes(tmp_path, text)


@pytest.mark.parametrize(("code", "text"), CLEAN)
def test_it_leaves_alone(tmp_path, code, text):
    named = codes(tmp_path, text)
    assert not named & {code, "SB001"}


def test_every_rule_is_tried_both_ways():
    known = set(rules.load()) - {"SB001", "SB002"}
    assert {code for code, _ in FLAGGED} == {code for code, _ in CLEAN} == known


def test_a_script_seeds_what_it_imports(tmp_path):
    (tmp_path / "data.py").write_text(
        "from sklearn.utils import shuffle\n\ndef load(x):\n    return shuffle(x)\n"
    )
    (tmp_path / "train.py").write_text(
        "import numpy as np\nfrom data import load\n\nnp.random.seed(0)\nload(3)\n"
    )
    both, alone = check([tmp_path], rules.load()), check([tmp_path / "data.py"], rules.load())
    assert [problem.rule for problem in both] == []
    assert [problem.rule for problem in alone] == ["SB101"]


def test_a_module_is_trained_by_what_imports_it_or_its_package(tmp_path):
    package = tmp_path / "nets"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "net.py").write_text(NETWORK + "return F.grid_sample(x, self.grid)\n")
    assert check([tmp_path], rules.load()) == []
    (package / "engine.py").write_text(TRAINED)
    assert [problem.rule for problem in check([tmp_path], rules.load())] == ["SB601"]
    (package / "engine.py").unlink()
    (tmp_path / "run.py").write_text(
        "import torch\nfrom nets.net import Net\ntorch.manual_seed(0)\n" + SCRIPT
    )
    assert [problem.rule for problem in check([tmp_path], rules.load())] == ["SB601"]


def test_a_script_calls_what_seeds_from_elsewhere(tmp_path):
    (tmp_path / "setup.py").write_text("import torch\n\ndef begin(n):\n    torch.manual_seed(n)\n")
    (tmp_path / "train.py").write_text(
        "from setup import begin\nfrom torch.utils.data import DataLoader\nbegin(3)\nDataLoader(d, shuffle=True)\n"  # noqa: E501
        + SCRIPT
    )
    assert check([tmp_path], rules.load()) == []
    assert {problem.rule for problem in check([tmp_path / "train.py"], rules.load())} == {"SB201", "SB301"}
