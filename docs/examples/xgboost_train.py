"""XGBoost: a callback of `train`, `cv` or the scikit-learn interface."""

import numpy as np
import xgboost

from diagnose.integrations.xgboost import DiagnoseCallback

rng = np.random.default_rng(0)
x = rng.normal(size=(1000, 8))
y = (x[:, 0] + x[:, 1] + rng.normal(scale=0.5, size=1000) > 0).astype(int)
train, val = xgboost.DMatrix(x[:700], y[:700]), xgboost.DMatrix(x[700:], y[700:])

callback = DiagnoseCallback(on_error="stop", total=60)
xgboost.train(
    {"objective": "binary:logistic", "max_depth": 2, "eta": 0.1},
    train,
    num_boost_round=60,
    evals=[(train, "train"), (val, "val")],
    callbacks=[callback],
    verbose_eval=False,
)
print(callback.report)
