"""Small networks for the attack tests: trained on the digits in a second, and stacked in the plainest way."""

from functools import cache

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

torch.set_num_threads(1)  # networks this small only lose by more


@cache
def digits() -> tuple[Tensor, Tensor]:
    """All 1,797 handwritten digits, 8×8, in [0, 1], with their labels; the first 1,200 are for training."""
    data = load_digits()
    return torch.tensor(data.images / 16, dtype=torch.float32)[:, None], torch.tensor(data.target)


def untrained(seed: int, channels: int = 1, classes: int = 10) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(channels, 12, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 12, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(48, classes),
        ).eval()


def linear(seed: int, classes: int = 3, side: int = 8) -> nn.Module:
    """An untrained layer on grey images, with weights large enough that attacks find much, and whose classes brightness does not tell."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(side * side, classes)).eval()
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.data = 3 * torch.randn(parameter.shape, generator=generator)
        parameter.data -= parameter.data.mean(-1, keepdim=True)
    return network


@cache
def trained(seed: int) -> nn.Module:
    images, labels = digits()
    network = untrained(seed).train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    order = torch.Generator().manual_seed(seed)
    for _ in range(8):
        for batch in torch.randperm(1200, generator=order).view(-1, 60):
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(network(images[batch]), labels[batch]))
            optimizer.step()
    return network.eval().requires_grad_(False)


class Stack(nn.Module):
    """Networks side by side: logits (stack, batch, classes) from images (batch, …), the same for all, or (stack, batch, …)."""

    def __init__(self, *networks: nn.Module) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        own = images.expand(len(self.networks), *images.shape[-4:])
        return torch.stack([network(x) for network, x in zip(self.networks, own, strict=True)])
