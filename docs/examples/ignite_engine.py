"""PyTorch-Ignite: attached to the engine that trains, and to the one that evaluates."""

import torch
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy, Loss
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from diagnose.integrations.ignite import attach

torch.manual_seed(0)
x = torch.randn(600, 8)
y = (x[:, 0] + x[:, 1] + 0.5 * torch.randn(600) > 0).long()
train = DataLoader(TensorDataset(x[:400], y[:400]), batch_size=50, shuffle=True)
val = DataLoader(TensorDataset(x[400:], y[400:]), batch_size=200)

model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
trainer = create_supervised_trainer(model, optimizer, nn.functional.cross_entropy)
evaluator = create_supervised_evaluator(
    model, metrics={"loss": Loss(nn.functional.cross_entropy), "accuracy": Accuracy()}
)
trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run(val))

watch = attach(trainer, {"val": evaluator}, optimizer=optimizer, on_error="stop")
trainer.run(train, max_epochs=15)
print(watch.report)
