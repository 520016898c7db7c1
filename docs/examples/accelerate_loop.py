"""Accelerate: a tracker beside the others; the processes agree on the stop."""

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from diagnose.integrations.accelerate import DiagnoseTracker

torch.manual_seed(0)
x = torch.randn(400, 8)
y = (x[:, 0] + x[:, 1] + 0.5 * torch.randn(400) > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)

tracker = DiagnoseTracker(on_error="stop", total=120)
accelerator = Accelerator(log_with=[tracker], cpu=True)
accelerator.init_trackers("example", config={"optimizer": "adam", "learning_rate": 0.003})
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
model, optimizer, loader = accelerator.prepare(model, torch.optim.Adam(model.parameters(), lr=0.003), loader)

step = 0
for _epoch in range(15):
    for inputs, labels in loader:
        loss = nn.functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        accelerator.backward(loss)
        optimizer.step()
        accelerator.log({"train_loss": loss}, step=step)
        step += 1
    if tracker.agreed(accelerator):
        break
accelerator.end_training()
print(tracker.report)
