"""The Trainer of Hugging Face; a tiny model from a configuration, so that nothing is downloaded."""

import tempfile

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

from diagnose.integrations.transformers import DiagnoseCallback

set_seed(0)
model = GPT2LMHeadModel(GPT2Config(vocab_size=32, n_positions=16, n_embd=32, n_layer=1, n_head=2))
rows = torch.arange(16) + torch.randint(0, 16, (256, 1))
data = [{"input_ids": row % 32, "labels": row % 32} for row in rows]

callback = DiagnoseCallback(on_error="stop")
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder,
        max_steps=60,
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=10,
        learning_rate=3e-3,
        per_device_train_batch_size=16,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=data[:192], eval_dataset=data[192:], callbacks=[callback])
    trainer.train()
print(callback.report)
