"""Scalers for scikit-learn: its parameter names, with exact statistics that merge in any order.

``pip install scikit-learn``; then ``from normcli.sklearn import StandardScaler``. Statistics do not
depend on the order of rows or on how `partial_fit` cuts them, and are those of `normcli fit`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import FLOAT_DTYPES, check_is_fitted, validate_data

import normcli
from normcli.api import Statistics
from normcli.errors import NormcliError
from normcli.formats import memory
from normcli.methods.base import Method
from normcli.methods.mapping import Mapping
from normcli.methods.spelling import Asked, method_of, method_with
from normcli.numerics.numbers import Numbers
from normcli.pipeline.choice import Choice
from normcli.pipeline.fitting import fit as fit_tables

__all__ = ["MaxAbsScaler", "MinMaxScaler", "RobustScaler", "Scaler", "StandardScaler"]


class _Scaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What all have in common. NaN is missing: it does not count, and stays.

    statistics_: of the fitted columns, for `normcli transform --stats` once they are saved.
    """

    def _method(self) -> Method:
        """The method of these parameters; raises UsageError."""
        raise NotImplementedError

    def fit(self, X: Any, y: object = None) -> Self:  # noqa: N803
        """Compute the statistics of X, of shape (rows, columns)."""
        return self._fitted(X, first=True)

    def partial_fit(self, X: Any, y: object = None) -> Self:  # noqa: N803
        """Add the statistics of more rows: in any order, the result is the same, bit for bit.

        Quantiles are exact after one `fit`; merged ones may be known up to a cell of a histogram.
        """
        return self._fitted(X, first=not hasattr(self, "statistics_"))

    def _fitted(self, x: Any, *, first: bool) -> Self:
        columns = self._validated(x, reset=first)
        names = self._names()
        table = pa.table([pa.array(c, from_pandas=False) for c in columns.T], names=names)
        with _in_words_of_python():
            choice = Choice(_all(names), allow_empty=True)
            known, _ = fit_tables([memory.table(table)], choice, Asked(self._method()))
            found = Statistics(**vars(known))
            self.statistics_: Statistics = found if first else self.statistics_.merge(found)
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803
        """X scaled; float32 stays float32."""
        return self._mapped(X, inverse=False)

    def inverse_transform(self, X: Any) -> Any:  # noqa: N803
        """X in original units."""
        return self._mapped(X, inverse=True)

    def _mapped(self, x: Any, *, inverse: bool) -> Any:
        check_is_fitted(self)
        columns = self._validated(x, reset=False)
        done = np.empty_like(columns)
        with _in_words_of_python():
            for i, name in enumerate(self.statistics_.columns):
                mapping = self._mapping(name)
                mapping = mapping.inverse() if inverse else mapping
                numbers = np.ascontiguousarray(columns[:, i], np.float64)
                scaled = mapping.values(Numbers(numbers[np.newaxis]))
                values = scaled.values
                for mask, others in ((scaled.keep, numbers), (scaled.null, np.nan)):
                    values = values if mask is None else np.where(mask, others, values)
                done[:, i] = values
        return done

    def _mapping(self, name: str) -> Mapping:
        mapping = self.statistics_.method_for(name).mapping(self.statistics_.columns[name])
        if mapping.row is not None:
            raise ValueError("methods of rows fit nothing: use sklearn.preprocessing.Normalizer")
        return mapping

    def _validated(self, x: Any, *, reset: bool) -> Any:
        return validate_data(
            self, x, reset=reset, dtype=FLOAT_DTYPES, ensure_all_finite="allow-nan"
        )

    def _names(self) -> list[str]:
        given = getattr(self, "feature_names_in_", None)
        return [f"x{i}" for i in range(self.n_features_in_)] if given is None else list(given)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the statistics as a sidecar."""
        check_is_fitted(self)
        self.statistics_.save(path)

    def load(self, path: str | os.PathLike[str]) -> Self:
        """Take the statistics of a sidecar; the method is that of this scaler."""
        self.statistics_ = replace(normcli.load(path), method=self._method(), column_methods={})
        names = list(self.statistics_.columns)
        self.n_features_in_ = len(names)
        if names != [f"x{i}" for i in range(len(names))]:
            self.feature_names_in_ = np.array(names, object)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _of_columns(self, of: Any) -> Any:
        return np.array([of(column) for column in self.statistics_.columns.values()], float)

    @property
    def n_samples_seen_(self) -> Any:
        """How many numbers there were: one count, or one for each column where they differ."""
        counts = self._of_columns(lambda column: column.count).astype(np.int64)
        return counts[0] if len(set(counts.tolist())) == 1 else counts


class _in_words_of_python:  # noqa: N801  # a context manager
    """Lets errors be ValueErrors, as in scikit-learn."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, NormcliError):
            raise ValueError(str(error)) from error


def _all(names: list[str]) -> tuple[str, ...]:
    return (f"1-{len(names)}",) if len(names) > 1 else ("1",)


class StandardScaler(_Scaler):
    """(x - mean) / std, of the population."""

    def __init__(self, *, copy: bool = True, with_mean: bool = True, with_std: bool = True) -> None:
        self.copy, self.with_mean, self.with_std = copy, with_mean, with_std

    def _method(self) -> Method:
        return method_with("zscore", {"center": self.with_mean, "scale": self.with_std})

    @property
    def mean_(self) -> Any:
        """The means."""
        return self._of_columns(lambda column: column.mean)

    @property
    def var_(self) -> Any:
        """The variances; None with ``with_std=False``, as in scikit-learn."""
        if not self.with_std:
            return None
        return self._of_columns(lambda column: column.variance())

    @property
    def scale_(self) -> Any:
        """The divisors: 1 for a constant column; None with ``with_std=False``."""
        if not self.with_std:
            return None
        return self._of_columns(lambda column: 1.0 if column.constant else column.std())


class MinMaxScaler(_Scaler):
    """Minimum and maximum become the ends of a range."""

    def __init__(
        self, feature_range: Any = (0, 1), *, copy: bool = True, clip: bool = False
    ) -> None:
        self.feature_range, self.copy, self.clip = feature_range, copy, clip

    def _method(self) -> Method:
        outside = "clip" if self.clip else "keep"
        return method_with("minmax", {"range": self.feature_range, "out_of_range": outside})

    @property
    def data_min_(self) -> Any:
        """The minima."""
        return self._of_columns(lambda column: column.min)

    @property
    def data_max_(self) -> Any:
        """The maxima."""
        return self._of_columns(lambda column: column.max)


class MaxAbsScaler(_Scaler):
    """The largest absolute value becomes 1."""

    def __init__(self, *, copy: bool = True) -> None:
        self.copy = copy

    def _method(self) -> Method:
        return method_of("maxabs")

    @property
    def max_abs_(self) -> Any:
        """The largest absolute values."""
        return self._of_columns(lambda column: max(abs(column.min), abs(column.max)))


class RobustScaler(_Scaler):
    """(x - median) / range of quantiles."""

    def __init__(
        self,
        *,
        with_centering: bool = True,
        with_scaling: bool = True,
        quantile_range: Any = (25.0, 75.0),
        copy: bool = True,
        unit_variance: bool = False,
    ) -> None:
        self.with_centering, self.with_scaling = with_centering, with_scaling
        self.quantile_range, self.copy = quantile_range, copy
        self.unit_variance = unit_variance

    def _method(self) -> Method:
        parameters = {
            "center": self.with_centering,
            "scaled": self.with_scaling,
            "range": self.quantile_range,
            "unit_variance": self.unit_variance,
        }
        return method_with("robust", parameters)


class Scaler(_Scaler):
    """Any method that `normcli methods` lists, such as ``log1p+zscore:ddof=1``."""

    def __init__(self, method: str = "zscore") -> None:
        self.method = method

    def _method(self) -> Method:
        return method_of(self.method).with_statistics()
