"""Supervised fine-tuning with TRL; a tiny model from a configuration, so that nothing is downloaded."""

import tempfile

from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, set_seed
from trl import SFTConfig, SFTTrainer

from diagnose.integrations.transformers import DiagnoseCallback

set_seed(0)
words = {word: place for place, word in enumerate(["<pad>", "<eos>", *"abcdefghijklmnopqrst"])}
plain = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
plain.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>")
size = len(words)
model = GPT2LMHeadModel(GPT2Config(vocab_size=size, n_positions=32, n_embd=32, n_layer=1, n_head=2))
letters = list(words)[2:]
data = Dataset.from_dict({"text": [" ".join(letters[i % 12 :][:8]) for i in range(256)]})

callback = DiagnoseCallback(on_error="stop")
with tempfile.TemporaryDirectory() as folder:
    arguments = SFTConfig(
        folder,
        max_steps=60,
        logging_steps=2,
        learning_rate=3e-3,
        per_device_train_batch_size=16,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
        max_length=16,
    )
    trainer = SFTTrainer(model, arguments, train_dataset=data, processing_class=tokenizer, callbacks=[callback])
    trainer.train()
print(callback.report)
