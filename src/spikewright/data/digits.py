"""Handwritten digits that come with scikit-learn: 1797 images of 8 x 8 pixels, no download.

These 1797 are the test part of the original data; scikit-learn ships no training part. So the division here is our
own, drawn once by a named stream: in each class 70 % train, 10 % validation, 20 % test. It depends on no seed of a run.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from spikewright.data.base import Dataset, Samples
from spikewright.data.encoding import Constant, Encoding
from spikewright.data.split import stratified
from spikewright.errors import DataError, MissingExtra, explain
from spikewright.units import ms

SHARES = (0.7, 0.1, 0.2)
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""Of the 1797 x 64 grey values and then the 1797 labels, one byte each; measured with scikit-learn 1.9.1."""


def load(
    folder: Path | None = None,
    *,
    encoding: Encoding | None = None,
    steps: int = 20,
    dt: float = 1 * ms,
) -> Dataset:
    """Read the digits from the installed scikit-learn.

    Parameters
    ----------
    folder : must be None, there is nothing to read from a folder
    encoding : how images enter a network; default `Constant()`
    steps : T
    dt : float, s

    Returns
    -------
    Dataset : shape (8, 8), grey values 0 to 16 as 0 to 1

    Raises
    ------
    MissingExtra : scikit-learn is not installed
    DataError : it holds other data than those known here
    """
    if folder is not None:
        raise DataError(
            explain(
                "data set 'digits'",
                "is read from scikit-learn, not from a folder",
                found=str(folder),
                cure="leave the folder away, or load 'mnist' for idx files",
            )
        )
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtra("data set 'digits'", "scikit-learn", "all") from error
    bunch = load_digits()
    grey = np.asarray(bunch.images).astype(np.uint8)
    labels = np.asarray(bunch.target).astype(np.int64)
    checksum = hashlib.sha256(grey.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    if checksum != SHA256:
        raise DataError(
            explain(
                "data set 'digits'",
                "scikit-learn holds other data than those known here",
                found=f"sha256 {checksum}",
                expected=SHA256,
                cure="install scikit-learn anew",
            )
        )
    images = grey.astype(np.float32) / np.float32(16)
    how = Constant() if encoding is None else encoding
    parts = [
        Samples(images[chosen], labels[chosen], how, steps, dt, part, numbers=chosen)
        for part, chosen in zip(
            ("train", "validation", "test"),
            stratified(labels, SHARES, name="data/digits/split"),
            strict=True,
        )
    ]
    return Dataset(
        name="digits",
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        classes=tuple(str(n) for n in range(10)),
        shape=parts[0].shape,
        steps=steps,
        dt=dt,
        source="E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning "
        "Repository 1998, doi 10.24432/C50P49; its test part, as shipped in scikit-learn",
        license="CC BY 4.0",
        checksum=checksum,
        notes=(
            "split 70/10/20 % in each class by the fixed stream 'data/digits/split'; writers are not "
            "known, so the same hand may be in two parts",
        ),
    )
