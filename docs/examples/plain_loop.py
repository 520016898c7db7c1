"""A loop of one's own, in plain PyTorch: one line per epoch."""

import torch
from torch import nn

import diagnose

torch.manual_seed(0)
x, noise = torch.randn(600, 8), 0.5 * torch.randn(600)
y = (x[:, 0] + x[:, 1] + noise > 0).long()
train, val = (x[:400], y[:400]), (x[400:], y[400:])

config = {"optimizer": "adam", "learning_rate": 0.01, "epochs": 30}
model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])

watch = diagnose.watch(config=config, total=config["epochs"], on_error="stop")
for epoch in range(config["epochs"]):
    loss = nn.functional.cross_entropy(model(train[0]), train[1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        output = model(val[0])
        val_loss = nn.functional.cross_entropy(output, val[1])
        accuracy = (output.argmax(1) == val[1]).float().mean()
    watch.log(epoch=epoch, train_loss=loss, val_loss=val_loss, val_accuracy=accuracy)
    if watch.should_stop:
        break
print(watch.finish())
