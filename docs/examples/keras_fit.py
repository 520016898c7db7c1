"""Keras 3 on any backend: `KERAS_BACKEND=torch python keras_fit.py`, or jax, or tensorflow."""

import keras
import numpy as np

from diagnose.integrations.keras import DiagnoseCallback

rng = np.random.default_rng(0)
x = rng.normal(size=(600, 8)).astype("float32")
y = (x[:, 0] + x[:, 1] + rng.normal(scale=0.5, size=600) > 0).astype("int32")

model = keras.Sequential([keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)])
model.compile(keras.optimizers.Adam(0.003), keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])

callback = DiagnoseCallback(on_error="stop")
model.fit(x[:400], y[:400], validation_data=(x[400:], y[400:]), epochs=20, verbose=0, callbacks=[callback])
print(callback.report)
