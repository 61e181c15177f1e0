"""How methods are spelled: on the command line, in the sidecar, for single columns."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from normcli.errors import UsageError
from normcli.methods import methods
from normcli.methods.base import Method
from normcli.methods.batch import Batch
from normcli.methods.chain import Chain, spelled
from normcli.methods.minmax import MinMax
from normcli.methods.spelling import Asked, column_method, method_of, method_with
from normcli.methods.zscore import ZScore
from normcli.numerics.numbers import Numbers
from tests.test_methods import known

EXAMPLES = sorted({text for method in methods().values() for text in method.examples})


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("zscore", ZScore()),
        ("zscore:ddof=1", ZScore(1)),
        ("zscore:no-center", ZScore(center=False)),
        ("zscore:no_scale,ddof=1", ZScore(1, scale=False)),
        ("zscore:mean=50000,std=8000", ZScore(given={"mean": 50000.0, "std": 8000.0})),
        ("zscore:no-scale,mean=5", ZScore(scale=False, given={"mean": 5.0})),
        ("minmax:-1,1", MinMax((-1, 1))),
        ("minmax:range=-1,1,out-of-range=clip", MinMax((-1, 1), "clip")),
        ("minmax:out-of-range=clip,-1,1", MinMax((-1, 1), "clip")),
        ("minmax:0,1e+5", MinMax((0, 1e5))),
        ("minmax:min=0,max=255", MinMax(given={"min": 0.0, "max": 255.0})),
        ("batch:mode=predict,running", Batch(mode="predict", running=True)),
        ("log1p+zscore:ddof=1", Chain((method_of("log1p"), ZScore(1)))),
        ("clip:0,1e+5+zscore", Chain((method_of("clip:0,100000"), ZScore()))),
        ("log+minmax+tanh", Chain((method_of("log"), MinMax(), method_of("tanh")))),
    ],
)
def test_a_method_is_read_from_its_spelling(text: str, method: Method) -> None:
    assert method_of(text) == method


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the method is missing in ''"),
        ("zscore+", "no method 'zscore+'"),
        ("zscor", "no method 'zscor'. Did you mean 'zscore'?"),
        ("cbrt:2", "cbrt takes no arguments, not '2'"),
        ("zscore:mean=5", "zscore: mean given by hand, but it takes mean and std together"),
        ("zscore:std=0,mean=1", "std must be greater than 0"),
        ("zscore:no-centre", "Did you mean 'no-center'?"),
        ("zscore:mean=1,std=2,ddof=1", "--ddof has no effect on a std that is given by hand"),
        ("zscore:max=1", "zscore has no option 'max'"),
        ("minmax:min=2,max=1", "min must not be greater than max"),
        ("zscore+minmax", "a chain has one method that is fitted, not zscore and minmax"),
        ("log+batch:mode=train,batch_size=4", "batch in training mode cannot be part of"),
        ("clip", "clip takes two numbers"),
        ("clip:2,1", "LOW must be less than HIGH"),
        ("minmax:range=0", "takes two numbers, LOW,HIGH"),
    ],
)
def test_a_bad_spelling_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        method_of(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_survives_the_sidecar(text: str) -> None:
    method = method_of(text)
    kept = json.loads(json.dumps(method.parameters()))
    again = method_with(method.spelling, kept)
    assert again.parameters() == method.parameters()
    assert again.spelling == method.spelling


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_has_a_formula_and_the_inverse_leads_back(text: str) -> None:
    method = method_of(text)
    values = np.array([[0.125, 0.25, 0.5, 0.875]])
    column = known(method, Numbers(values))
    if method.before:
        mapped = values
        for step in method.before:
            mapped = step.mapping(column).values(Numbers(mapped)).values[np.newaxis]
        key = "+".join(map(spelled, method.before))
        column = replace(column, mapped={key: known(method, Numbers(mapped))})
    if "running" in text:
        pytest.skip("running statistics come from training")
    mapping = method.mapping(column)
    assert "x" in mapping.formula()
    if method.by_row or text.startswith(("clip", "winsorize")):
        with pytest.raises(UsageError, match="cannot be undone"):
            mapping.inverse()
        return
    back = mapping.inverse()
    y = mapping.values(Numbers(values)).values
    np.testing.assert_allclose(back.values(Numbers(y[None])).values, values[0], rtol=1e-10)
    assert "y" in back.formula("y")


@pytest.mark.parametrize(
    ("text", "names", "method"),
    [
        ("age=minmax", "age", MinMax()),
        ("age=minmax:-1,1", "age", MinMax((-1, 1))),
        ("a=minmax:out-of-range=clip", "a", MinMax(out_of_range="clip")),
        ("a=b=zscore:mean=5,std=2", "a=b", ZScore(given={"mean": 5.0, "std": 2.0})),
        ("*_mm,age=log1p+zscore", "*_mm,age", Chain((method_of("log1p"), ZScore()))),
    ],
)
def test_names_end_where_a_method_begins(text: str, names: str, method: Method) -> None:
    assert column_method(text) == (names, method)


@pytest.mark.parametrize("text", ["age", "=minmax", "age=", "zscore"])
def test_a_column_without_a_method_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="takes NAMES=METHOD"):
        column_method(text)


def own(*texts: str, columns: tuple[str, ...] = ("a_mm", "b_mm", "c", "d,e")) -> dict[str, str]:
    asked = Asked(ZScore(), [column_method(text) for text in texts])
    return {name: method.name for name, method in asked.methods(columns, "the table").own.items()}


def test_an_exact_name_goes_before_a_glob_whatever_their_order() -> None:
    assert own("a_mm=minmax", "*_mm=batch")["a_mm"] == "minmax"
    assert own("*_mm=batch", "a_mm=minmax") == {"a_mm": "minmax", "b_mm": "batch"}


def test_of_two_globs_the_later_wins() -> None:
    assert own("*_mm=minmax", "a*=batch") == {"a_mm": "batch", "b_mm": "minmax"}


def test_a_name_with_a_comma_is_that_name_first() -> None:
    assert own("d,e=minmax") == {"d,e": "minmax"}
    assert own("c,a_mm=minmax") == {"c": "minmax", "a_mm": "minmax"}


@pytest.mark.parametrize("names", ["x", "x*", "c,x"])
def test_names_that_fit_no_column_are_an_error(names: str) -> None:
    with pytest.raises(UsageError, match=r"--column 'x\*?': there is no such column in the table"):
        own(f"{names}=minmax")


def test_the_default_method_of_every_class_needs_no_arguments_or_says_what() -> None:
    for name, kind in methods().items():
        assert kind.examples, name
        assert (kind.__doc__ or "").startswith(("y = ", "z = ")), name
