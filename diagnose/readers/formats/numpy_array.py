"""A NumPy array that is called after the curve it holds: `np.save("train_loss.npy", losses)`.

Source: numpy/lib/format.py, versions 1.0 to 3.0. An array that holds Python objects is a pickle, and is not opened.
"""

from __future__ import annotations

import io
import math
from typing import BinaryIO

import numpy as np

from diagnose.errors import ReadError
from diagnose.names import roles
from diagnose.readers.tables.document import Document
from diagnose.readers.tables.table import Column, Table

NAME = "numpy"

SUFFIX = ".npy"
MAGIC = b"\x93NUMPY"
_MOST_COLUMNS = 16  # of a matrix of curves; a wider one holds data or weights
_NUMBERS = "iuf"  # kinds of dtypes


def recognise(document: Document) -> bool:
    """Whether the document is an array whose name is that of a metric."""
    return document.head_bytes.startswith(MAGIC) and roles.is_metric_name(document.stem)


def is_curve(document: Document) -> bool:
    """Whether the document is an array of one curve."""
    try:
        return (
            document.head_bytes.startswith(MAGIC) and len(_shape(io.BytesIO(document.head_bytes), document.size)) == 1
        )
    except ReadError:
        return False


def read(document: Document) -> list[Table]:
    """Read the array: a vector is a curve, a matrix one along its longer side per column.

    Raises ReadError where it is neither, or holds no numbers.
    """
    with document.stream() as stream:
        shape = _shape(stream, document.size)
        stream.seek(0)
        array = np.load(stream, allow_pickle=False).reshape(shape)
    curves = [array] if len(shape) == 1 else list(array if shape[0] < shape[1] else array.T)
    names = [document.stem] if len(curves) == 1 else [f"column {place}" for place in range(1, len(curves) + 1)]
    columns = {
        name: Column(np.asarray(curve, dtype=np.float64), np.ones(curve.shape, dtype=np.bool_))
        for name, curve in zip(names, curves, strict=True)
    }
    return [Table(NAME, columns, len(curves[0]))]


def _shape(stream: BinaryIO, size: int) -> tuple[int, ...]:
    """The lengths of the array's sides without those of 1; size: of the file, in bytes. Raises ReadError as `read`."""
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
    except (ValueError, OverflowError) as error:
        raise ReadError("this NumPy array is damaged: its header cannot be read") from error
    if dtype.kind not in _NUMBERS:
        raise ReadError("this NumPy array holds objects or words, not numbers; save the losses alone")
    if math.prod(shape) * dtype.itemsize > size - stream.tell():
        raise ReadError("this NumPy array is cut: it is shorter than its header says")
    sides = tuple(side for side in shape if side != 1)
    if len(sides) not in (1, 2) or 0 in sides or (len(sides) == 2 and min(sides) > _MOST_COLUMNS):
        raise ReadError(f"this NumPy array has the shape {shape}: no curve, nor a few beside each other")
    return sides
