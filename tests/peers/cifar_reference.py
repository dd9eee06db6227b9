"""The ResNet of pytorch_resnet_cifar10, written from its weights' names and its shortcut: zeros around the maps."""

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions; where the maps get smaller, every second pixel and zeros on both sides of the maps."""

    def __init__(self, before: int, maps: int) -> None:
        super().__init__()
        self.step = maps // before
        self.conv1 = nn.Conv2d(before, maps, 3, self.step, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(maps)
        self.conv2 = nn.Conv2d(maps, maps, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(maps)
        self.zeros = (maps - before) // 2

    def forward(self, x: Tensor) -> Tensor:
        shortcut = F.pad(x[:, :, :: self.step, :: self.step], (0, 0, 0, 0, self.zeros, self.zeros))
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + shortcut)


class CifarResNet(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        each = (depth - 2) // 6
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16) for _ in range(each)))
        self.layer2 = nn.Sequential(Block(16, 32), *(Block(32, 32) for _ in range(each - 1)))
        self.layer3 = nn.Sequential(Block(32, 64), *(Block(64, 64) for _ in range(each - 1)))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))
