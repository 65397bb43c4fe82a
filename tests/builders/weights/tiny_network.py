"""A NAS-Bench-201 network as its published code builds it, written from its description: the second witness of names and of logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

OPERATIONS = {"none": None, "skip_connect": None, "avg_pool_3x3": None, "nor_conv_1x1": 1, "nor_conv_3x3": 3}


class Block(nn.Module):
    """ReLU, convolution, batch norm, under the name ``op``."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2, bias=False)
        self.op = nn.Sequential(nn.ReLU(inplace=False), convolution, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.op(x)
        return out


class Zero(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0.0


def layer(name: str, channels: int) -> nn.Module:
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    kernel = OPERATIONS[name]
    if kernel is not None:
        return Block(channels, channels, kernel, 1)
    return nn.Identity() if name == "skip_connect" else Zero()


def parsed(arch: str) -> list[list[tuple[str, int]]]:
    """For each node after the first, (operation, source)."""
    nodes = []
    for node in arch.split("+"):
        edges = [edge.split("~") for edge in node.strip("|").split("|")]
        nodes.append([(name, int(source)) for name, source in edges])
    return nodes


class InferCell(nn.Module):
    """A cell whose layers are numbered in the order of the arch string."""

    def __init__(self, arch: str, channels: int) -> None:
        super().__init__()
        self.nodes = parsed(arch)
        self.layers = nn.ModuleList(layer(name, channels) for node in self.nodes for name, _ in node)

    def forward(self, x: Tensor) -> Tensor:
        states, number = [x], 0
        for node in self.nodes:
            incoming = []
            for _, source in node:
                incoming.append(self.layers[number](states[source]))
                number += 1
            states.append(torch.stack(incoming).sum(0))
        return states[-1]


class EdgeCell(nn.Module):
    """The same, with edges named by target and source, as in newer code."""

    def __init__(self, arch: str, channels: int) -> None:
        super().__init__()
        self.nodes = parsed(arch)
        self.edges = nn.ModuleDict(
            {
                f"{target}<-{source}": nn.ModuleList([layer(name, channels)])
                for target, node in enumerate(self.nodes, 1)
                for name, source in node
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        states = [x]
        for target, node in enumerate(self.nodes, 1):
            states.append(torch.stack([self.edges[f"{target}<-{source}"][0](states[source]) for _, source in node]).sum(0))  # type: ignore[index]
        return states[-1]


class ResidualReduction(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_a = Block(inputs, outputs, 3, 2)
        self.conv_b = Block(outputs, outputs, 3, 1)
        self.downsample = nn.Sequential(nn.AvgPool2d(2, stride=2, padding=0), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv_b(self.conv_a(x)) + self.downsample(x)
        return out


class TinyNetwork(nn.Module):
    """Takes normalised images; returns features and logits.

    Arguments:
        spelling: ``layers`` or ``edges``.
    """

    def __init__(self, arch: str, channels: int, cells: int, classes: int, *, spelling: str = "layers", image_channels: int = 3) -> None:
        super().__init__()
        cell = {"layers": InferCell, "edges": EdgeCell}[spelling]
        self.stem = nn.Sequential(nn.Conv2d(image_channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.cells = nn.ModuleList()
        for stage in range(3):
            width = channels * 2**stage
            if stage:
                self.cells.append(ResidualReduction(width // 2, width))
            self.cells.extend(cell(arch, width) for _ in range(cells))
        self.lastact = nn.Sequential(nn.BatchNorm2d(4 * channels), nn.ReLU(inplace=True))
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(4 * channels, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        for cell in self.cells:
            x = cell(x)
        features = self.global_pooling(self.lastact(x)).flatten(1)
        return features, self.classifier(features)


def tiny_network(
    arch: str, seed: int = 0, *, channels: int = 4, cells: int = 1, classes: int = 2, spelling: str = "layers", image_channels: int = 1
) -> TinyNetwork:
    """One with random weights, and running statistics of a few batches, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TinyNetwork(arch, channels, cells, classes, spelling=spelling, image_channels=image_channels)
        for parameter in network.parameters():
            if parameter.ndim == 1:
                nn.init.uniform_(parameter, 0.5, 1.5)
        with torch.no_grad():
            for _ in range(3):
                network(torch.randn(8, image_channels, 8, 8))
    return network.eval()
