"""Lightning Fabric: the loop is one's own, and so `diagnose.watch` does; the ranks agree on the stop."""

import torch
from lightning.fabric import Fabric
from torch import nn

import diagnose

fabric = Fabric(accelerator="cpu", devices=1)
fabric.launch()
fabric.seed_everything(0)
x = torch.randn(400, 8)
y = (x[:, 0] + x[:, 1] + 0.5 * torch.randn(400) > 0).long()
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
model, optimizer = fabric.setup(model, torch.optim.Adam(model.parameters(), lr=0.01))

watch = diagnose.watch(total=40, on_error="stop")
watch.rank = fabric.global_rank
for step in range(40):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    fabric.backward(loss)
    optimizer.step()
    watch.log(step=step, train_loss=loss)
    if fabric.strategy.reduce_boolean_decision(watch.should_stop, all=False):
        break
if fabric.is_global_zero:
    print(watch.finish())
