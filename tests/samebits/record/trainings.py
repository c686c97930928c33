"""Small trainings of every kind; prints the SHA-256 of each one's weights. Knows nothing of samebits."""

import hashlib
import sys
import threading

import torch
from torch import nn
from torch.nn import functional as F

torch.use_deterministic_algorithms(True)


def told(name, *models):
    """Print what a training has ended with."""
    sha256 = hashlib.sha256()
    for model in models:
        for value in model.state_dict().values():
            sha256.update(value.detach().contiguous().numpy().tobytes())
    print(name, sha256.hexdigest(), flush=True)


def batches(*shape, number=3):
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(*shape, generator=generator) for _ in range(number)]


def perceptron():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))


def plain(name, make, model=None):
    model = perceptron() if model is None else model
    optimizer = make(model.parameters())
    for inputs in batches(8, 6):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), torch.arange(8) % 3)
        loss.backward()
        optimizer.step()
    told(name, model)


def clipped_with_schedule():
    model = perceptron()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for inputs in batches(8, 6):
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(inputs), torch.arange(8) % 3).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.05)
        optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            model(inputs)
        model.train()
    told("clipped with schedule", model)


def accumulated():
    model = perceptron()
    model[3].eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for number, inputs in enumerate(batches(8, 6, number=4)):
        (model(inputs).square().mean() / 2).backward()
        if number % 2:
            optimizer.step()
            optimizer.zero_grad()
    told("accumulated", model)


def with_closure():
    model = nn.Linear(6, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    (inputs,) = batches(8, 6, number=1)

    def closure():
        optimizer.zero_grad()
        loss = (model(inputs) - 1).square().mean()
        loss.backward()
        return loss

    for _ in range(2):
        optimizer.step(closure)
    told("with a closure", model)


def adversarial():
    torch.manual_seed(1)
    generator, critic = nn.Linear(2, 4), nn.Linear(4, 1)
    of_critic = torch.optim.Adam(critic.parameters(), lr=0.1)
    of_generator = torch.optim.Adam(generator.parameters(), lr=0.1)
    for real in batches(8, 4):
        with torch.no_grad():
            fake = generator(torch.randn(8, 2))
        of_critic.zero_grad()
        (critic(fake).mean() - critic(real).mean()).backward()
        of_critic.step()
        of_generator.zero_grad()
        (-critic(generator(torch.randn(8, 2))).mean()).backward()
        of_generator.step()
    told("adversarial", generator, critic)


def scaled(fused):
    model = perceptron()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for number, inputs in enumerate(batches(8, 6)):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(inputs).float().square().mean()
        scaler.scale(loss * (float("inf") if number == 1 else 1)).backward()
        scaler.step(optimizer)
        scaler.update()
    told(f"scaled, fused {fused}", model)


class Wrapper:
    """Passes an optimiser's steps on, as those of libraries do."""

    __slots__ = ("inner", "param_groups")  # so that nothing can refer to it weakly

    def __init__(self, inner):
        self.inner, self.param_groups = inner, inner.param_groups

    def step(self, *given, **named):
        return self.inner.step(*given, **named)


def scaled_through_a_wrapper():
    model = perceptron()
    optimizer = Wrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for inputs in batches(8, 6):
        optimizer.inner.zero_grad()
        scaler.scale(model(inputs).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
    told("scaled through a wrapper", model)


def channels_last():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for inputs in batches(4, 3, 8, 8):
        optimizer.zero_grad()
        model(inputs.to(memory_format=torch.channels_last)).square().mean().backward()
        optimizer.step()
    told("channels last", model)


def transformer():
    torch.manual_seed(1)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for inputs in batches(2, 5, 8):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():  # its fast path, whose bits decide the weights below
            seen = model(inputs).mean()
        model.train()
        with torch.no_grad():
            model.layers[0].norm1.bias.add_(seen)
    told("transformer", model)


def computed_again():
    from torch.utils.checkpoint import checkpoint

    model = perceptron()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for inputs in batches(8, 6):
        optimizer.zero_grad()
        hidden = checkpoint(model[:3], inputs.requires_grad_(), use_reentrant=False)
        model[3:](hidden).square().mean().backward()
        optimizer.step()
    told("computed again", model)


def gradient_penalty():
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)
    for inputs in batches(8, 6):
        optimizer.zero_grad()
        out = model(inputs.requires_grad_()).sum()
        (gradient,) = torch.autograd.grad(out, inputs, create_graph=True)
        (out + gradient.square().sum()).backward()
        optimizer.step()
    told("gradient penalty", model)


def in_threads():
    """Two trainings in threads of their own, one after the other."""
    models = [perceptron(), perceptron()]
    for model in models:
        thread = threading.Thread(target=sgd, args=(model,))
        thread.start()
        thread.join()
    told("in threads", *models)


def sgd(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for inputs in batches(8, 6):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()


def without_a_module():
    weight = torch.ones(3, 2, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    for inputs in batches(8, 3):
        optimizer.zero_grad()
        (inputs @ weight).square().mean().backward()
        optimizer.step()
    told("without a module", nn.ParameterList([weight]))


def of_odd_kinds():
    """Modules and tensors of which not everything is there, or that are no plain tensors."""
    torch.manual_seed(1)
    (inputs,) = batches(8, 6, number=1)
    lazy, sparse = nn.LazyLinear(3), nn.Embedding(8, 4, sparse=True)
    told_to = nn.Parameter(torch.randn(3, dtype=torch.complex64))
    lazy(inputs)
    for loss, optimizer in (
        (lambda: lazy(inputs).sum(), torch.optim.SGD(lazy.parameters(), lr=0.1)),
        (lambda: sparse(torch.tensor([1, 2])).sum(), torch.optim.SparseAdam(sparse.parameters())),
        (lambda: told_to.abs().sum(), torch.optim.Adam([told_to])),
    ):
        loss().backward()
        optimizer.step()
    model = nn.Sequential(nn.Linear(6, 2), nn.Tanh())
    model.register_forward_hook(lambda *given: None)
    torch.jit.trace(model, inputs)(inputs)
    torch.jit.script(model[:1])(inputs)
    torch.fx.symbolic_trace(model)(inputs)
    weights = dict(model.named_parameters())

    def loss(weights, row):
        return torch.func.functional_call(model, weights, (row[None],)).sum()

    torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, inputs)
    with torch.device("meta"):
        nn.Linear(4, 4)(torch.randn(2, 4))
    told("of odd kinds", lazy, sparse, nn.ParameterList([told_to]))


def compiled():
    plain("compiled", lambda p: torch.optim.SGD(p, lr=0.1), torch.compile(perceptron(), backend=BACKEND))


BACKEND = "inductor" if "inductor" in sys.argv else "aot_eager"

if __name__ == "__main__":
    plain("SGD", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, foreach=False))
    plain("SGD, foreach", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, foreach=True))
    plain("AdamW, foreach", lambda p: torch.optim.AdamW(p, lr=0.01, foreach=True))
    plain("AdamW, fused", lambda p: torch.optim.AdamW(p, lr=0.01, fused=True))
    clipped_with_schedule()
    accumulated()
    with_closure()
    adversarial()
    scaled(False)
    scaled(True)
    channels_last()
    transformer()
    computed_again()
    gradient_penalty()
    in_threads()
    without_a_module()
    compiled()
    of_odd_kinds()
    scaled_through_a_wrapper()
