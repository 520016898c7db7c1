"""Lightning: a callback, whose state goes with the checkpoint."""

import lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from diagnose.integrations.lightning import DiagnoseCallback


class Classifier(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))

    def training_step(self, batch, batch_idx):
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        output = self.net(batch[0])
        self.log("val_loss", nn.functional.cross_entropy(output, batch[1]))
        self.log("val_accuracy", (output.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.003)


lightning.seed_everything(0)
x = torch.randn(600, 8)
y = (x[:, 0] + x[:, 1] + 0.5 * torch.randn(600) > 0).long()
train = DataLoader(TensorDataset(x[:400], y[:400]), batch_size=50, shuffle=True)
val = DataLoader(TensorDataset(x[400:], y[400:]), batch_size=200)

callback = DiagnoseCallback(on_error="stop")
trainer = lightning.Trainer(
    max_epochs=15,
    callbacks=[callback],
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
)
trainer.fit(Classifier(), train, val)
print(callback.report)
