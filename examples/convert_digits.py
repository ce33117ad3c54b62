"""A network of rates becomes one of spikes: trained with ReLU and with QCFS, converted, compared step by step."""

import numpy as np
import rich
import torch
from torch import nn

import spikewright as sw
from spikewright.data import digits
from spikewright.train.convert import QCFS, convert

data = digits.load()
images, held_out = (torch.tensor(np.array(p.inputs))[:, None] for p in (data.train, data.test))
labels = torch.tensor(np.array(data.train.labels))

for name, activation in (("ReLU", nn.ReLU), ("QCFS, 8 levels", lambda: QCFS(8, threshold=2.0))):
    torch.manual_seed(0)
    ann = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        activation(),
        nn.AvgPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        activation(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    optimizer = torch.optim.Adam(ann.parameters(), lr=3e-3)
    for _ in range(15):
        for chosen in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(ann(images[chosen]), labels[chosen]).backward()
            optimizer.step()

    done = convert(
        ann, (1, 8, 8), calibration=images[:256], samples=(held_out, data.test.labels), steps=64
    )
    print(f"\n{name}")
    rich.print(done.report)

print(done.network.summary())
sw.save_network(done.network, "converted.h5")  # a network like any other: run it, compile it
