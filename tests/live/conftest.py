"""Keras asks for TensorFlow where nobody names another backend, in the moment that it is imported."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")
