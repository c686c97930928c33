"""Train a small network out of the operations that are known for not repeating, with PyTorch.

Digits on a CPU exercise little of what goes wrong on a GPU. Here scatter, gather, interpolation, cumulative
sums, embeddings, attention, CTC, recurrent layers and pooling run forward and backward on random sequences.
Each operation is tried by itself first; one without a deterministic kernel on this device is refused by name,
with what to use in its place, and left out of the network. `make smoke NET=hazards` trains it twice.
"""

import hashlib
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import samebits
import samebits.torch
from samebits.proof import hazards as shared
from samebits.proof.hazards import CLASSES, LENGTH, WIDTH, WORDS, Settings

# Every operation takes states (batch, LENGTH, WIDTH), float32, and words (batch, LENGTH), int64, and returns
# something of the states' shape. `places` are positions, several of them alike: additions that collide.


def places(words: Tensor) -> Tensor:
    """(batch, LENGTH, WIDTH), int64 in 0…LENGTH / 2: half of the positions are hit twice or more."""
    return (words % (LENGTH // 2)).unsqueeze(-1).expand(-1, -1, WIDTH)


def images(states: Tensor) -> Tensor:
    """(batch, WIDTH, 4, 4)"""
    return states.transpose(1, 2).unflatten(2, (4, 4))


def sequences(images: Tensor) -> Tensor:
    """The inverse of `images`; larger images are averaged down to 4×4."""
    side = images.shape[-1] // 4
    if side > 1:
        images = F.avg_pool2d(images, side)
    return images.flatten(2).transpose(1, 2)


def scatter_add(states: Tensor, words: Tensor) -> Tensor:
    return torch.zeros_like(states).scatter_add(1, places(words), states)


def scatter_mean(states: Tensor, words: Tensor) -> Tensor:
    return torch.zeros_like(states).scatter_reduce(1, places(words), states, reduce="mean")


def scatter_product(states: Tensor, words: Tensor) -> Tensor:
    return torch.ones_like(states).scatter_reduce(1, places(words), torch.tanh(states), reduce="prod")


def index_add(states: Tensor, words: Tensor) -> Tensor:
    return torch.zeros_like(states).index_add(1, places(words)[0, :, 0], states)


def index_put(states: Tensor, words: Tensor) -> Tensor:
    rows = torch.arange(len(states), device=states.device).unsqueeze(1)
    return torch.zeros_like(states).index_put((rows, places(words)[:, :, 0]), states, accumulate=True)


def put(states: Tensor, words: Tensor) -> Tensor:
    # Without `accumulate`, whichever write comes last wins: torch refuses it on every device.
    return states.put(places(words)[0, :, 0], states[0, :, 0], accumulate=False)


def gather(states: Tensor, words: Tensor) -> Tensor:
    return states.gather(1, places(words))


def index_select(states: Tensor, words: Tensor) -> Tensor:
    return states.index_select(1, places(words)[0, :, 0])


def cumulative_sum(states: Tensor, words: Tensor) -> Tensor:
    return states.cumsum(1)


def interpolate_linear(states: Tensor, words: Tensor) -> Tensor:
    longer = F.interpolate(states.transpose(1, 2), scale_factor=2, mode="linear")
    return F.avg_pool1d(longer, 2).transpose(1, 2)


def interpolate_bilinear(states: Tensor, words: Tensor) -> Tensor:
    return sequences(F.interpolate(images(states), scale_factor=2, mode="bilinear"))


def interpolate_bicubic(states: Tensor, words: Tensor) -> Tensor:
    return sequences(F.interpolate(images(states), scale_factor=2, mode="bicubic"))


def interpolate_nearest(states: Tensor, words: Tensor) -> Tensor:
    return sequences(F.interpolate(images(states), scale_factor=2, mode="nearest"))


def grid_sample(states: Tensor, words: Tensor) -> Tensor:
    grid = (words.unflatten(1, (4, 4)).unsqueeze(-1).expand(-1, -1, -1, 2) / WORDS) * 2 - 1
    return sequences(F.grid_sample(images(states), grid, align_corners=False))


def max_pool(states: Tensor, words: Tensor) -> Tensor:
    return sequences(F.max_pool2d(images(states), kernel_size=3, stride=1, padding=1))  # windows overlap


def adaptive_max_pool(states: Tensor, words: Tensor) -> Tensor:
    return sequences(F.adaptive_max_pool2d(F.pad(images(states), (1, 1, 1, 1)), 4))


def adaptive_average_pool(states: Tensor, words: Tensor) -> Tensor:
    return sequences(F.adaptive_avg_pool2d(F.pad(images(states), (1, 1, 1, 1)), 4))


def reflection_pad(states: Tensor, words: Tensor) -> Tensor:
    return sequences(F.pad(images(states), (2, 2, 2, 2), mode="reflect"))


class Function(nn.Module):
    """An operation without weights, after a layer that has some: there is a gradient to send through it."""

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.project = nn.Linear(WIDTH, WIDTH)
        self.function = function

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        return self.function(self.project(states), words)


class Embedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        return states * self.embed(words)


class EmbeddingBag(nn.Module):
    def __init__(self, mode: str) -> None:
        super().__init__()
        self.embed = nn.EmbeddingBag(WORDS, WIDTH, mode=mode)

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        return states * self.embed(words).unsqueeze(1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        query, key, value = self.project(states).unflatten(2, (2, -1)).transpose(1, 2).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2).flatten(2)


class MultiheadAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(WIDTH, num_heads=2, dropout=0.1, batch_first=True)

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        attended: Tensor = self.attend(states, states, states)[0]
        return attended


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.layers = kind(WIDTH, WIDTH, num_layers=2, dropout=0.1, batch_first=True)

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        output: Tensor = self.layers(states)[0]
        return output


class TransposedConvolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolve = nn.ConvTranspose2d(WIDTH, WIDTH, kernel_size=4, stride=2, padding=1)

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        return sequences(self.convolve(images(states)))


class CTC(nn.Module):
    """Scales the states of a sequence by how badly they spell its first words."""

    def __init__(self) -> None:
        super().__init__()
        self.spell = nn.Linear(WIDTH, WORDS + 1)  # the blank comes first

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        letters = self.spell(states).log_softmax(-1).transpose(0, 1)
        given = torch.full((len(words),), LENGTH, device=words.device)
        wanted = torch.full((len(words),), LENGTH // 4, device=words.device)
        loss = F.ctc_loss(
            letters, words[:, : LENGTH // 4] + 1, given, wanted, reduction="none", zero_infinity=True
        )
        return states * loss.reshape(-1, 1, 1) / LENGTH


def function(operation: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], nn.Module]:
    return lambda: Function(operation)


HAZARDS: dict[str, Callable[[], nn.Module]] = {
    "scatter_add": function(scatter_add),
    "scatter_reduce (mean)": function(scatter_mean),
    "scatter_reduce (prod)": function(scatter_product),
    "index_add": function(index_add),
    "index_put (accumulate)": function(index_put),
    "put": function(put),
    "gather": function(gather),
    "index_select": function(index_select),
    "cumsum": function(cumulative_sum),
    "interpolate (linear)": function(interpolate_linear),
    "interpolate (bilinear)": function(interpolate_bilinear),
    "interpolate (bicubic)": function(interpolate_bicubic),
    "interpolate (nearest)": function(interpolate_nearest),
    "grid_sample": function(grid_sample),
    "max_pool2d": function(max_pool),
    "adaptive_max_pool2d": function(adaptive_max_pool),
    "adaptive_avg_pool2d": function(adaptive_average_pool),
    "reflection_pad2d": function(reflection_pad),
    "Embedding": Embedding,
    "EmbeddingBag (mean)": lambda: EmbeddingBag("mean"),
    "EmbeddingBag (max)": lambda: EmbeddingBag("max"),
    "scaled_dot_product_attention": Attention,
    "MultiheadAttention": MultiheadAttention,
    "LSTM": lambda: Recurrent(nn.LSTM),
    "GRU": lambda: Recurrent(nn.GRU),
    "ConvTranspose2d": TransposedConvolution,
    "ctc_loss": CTC,
}


class Net(nn.Module):
    """The operations one after the other, each added to what was before.

    Words (batch, LENGTH), int64, in; logits (batch, CLASSES) out.
    """

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, WIDTH)
        self.operations = nn.ModuleList(HAZARDS[name]() for name in names)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in names)
        self.classify = nn.Linear(WIDTH, CLASSES)

    def forward(self, words: Tensor) -> Tensor:
        states = self.embed(words)
        for operation, norm in zip(self.operations, self.norms, strict=True):
            states = states + norm(operation(states, words))
        logits: Tensor = self.classify(states.mean(1))
        return logits


def probe(seed: int, device: str, batch_size: int) -> dict[str, str]:
    """Try each operation by itself; returns those that are refused here, each with the reason."""
    return shared.probe(
        HAZARDS,
        lambda name: {_bits(name, seed, device, batch_size) for _ in range(shared.TRIES)},
        samebits.torch.explain,
        device=device,
        deterministic=torch.are_deterministic_algorithms_enabled(),
    )


def _bits(name: str, seed: int, device: str, batch_size: int) -> str:
    """The hash of an operation's output and of all its gradients."""
    with samebits.stream(seed, "probe", name):
        module = HAZARDS[name]().to(device)
        states = torch.randn(batch_size, LENGTH, WIDTH).to(device).requires_grad_()
        words = torch.randint(WORDS, (batch_size, LENGTH)).to(device)
        output = module(states, words)
        (output * torch.randn(output.shape).to(device)).sum().backward()
    gradients = [parameter.grad for parameter in (states, *module.parameters())]
    tensors = [output.detach(), *(gradient for gradient in gradients if gradient is not None)]
    return hashlib.sha256(b"".join(tensor.cpu().numpy().tobytes() for tensor in tensors)).hexdigest()


def train(settings: Settings) -> None:
    device = samebits.torch.choose_device(settings.device)
    samebits.torch.make_deterministic(check=True)  # a read of memory that nobody wrote gives NaN
    samebits.seed_everything(settings.seed)

    with samebits.open_run(settings, framework="torch", device=device) as run:
        refused = probe(settings.seed, device, settings.batch_size)
        samebits.torch.make_deterministic()
        names = [name for name in HAZARDS if name not in refused]
        with run.stream("data"):
            words = torch.randint(WORDS, (settings.steps * settings.batch_size, LENGTH))
        data = TensorDataset(words, words.sum(1) % CLASSES)
        loader = samebits.torch.loader(data, seed=settings.seed, batch_size=settings.batch_size, shuffle=True)

        with run.stream("initialisation"):
            model = Net(names).to(device)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
        losses = []
        for words, labels in run.batches(loader):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(words.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        run.log(
            epoch=1, loss=torch.stack(losses).mean().item(), operations=len(names), refused=sorted(refused)
        )
        run.finish(model)


if __name__ == "__main__":
    samebits.main(train, Settings)
