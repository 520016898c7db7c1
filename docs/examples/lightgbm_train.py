"""LightGBM: a callback of `train`, `cv` or the scikit-learn interface."""

import lightgbm
import numpy as np

from diagnose.integrations.lightgbm import DiagnoseCallback

rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 8))
y = (x[:, 0] + x[:, 1] + rng.normal(scale=0.5, size=1000) > 0).astype(int)
train = lightgbm.Dataset(x[:700], y[:700])
val = lightgbm.Dataset(x[700:], y[700:], reference=train)

callback = DiagnoseCallback(on_error="stop", total=60)
lightgbm.train(
    {"objective": "binary", "num_leaves": 4, "learning_rate": 0.1, "verbose": -1},
    train,
    num_boost_round=60,
    valid_sets=[train, val],
    valid_names=["train", "val"],
    callbacks=[callback],
)
print(callback.report)
