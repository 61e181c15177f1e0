"""Numbers as people write them: separators, signs, units, a decimal comma."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normcli.formats.texts.notation import NUMBER, Notation, needed
from tests.conftest import Cli


def mean(normcli: Cli, table: str, column: str, *options: object) -> float:
    done = normcli("fit", "-s", column, *options, stdin=table.encode())
    assert done.code == 0, done.err
    return float(json.loads(done.out)["columns"][column]["mean"])


@pytest.mark.parametrize(
    ("table", "options", "expected"),
    [
        ('x\n"184,904.05"\n301300\n', ["--thousands", ","], 243102.025),
        ("x;y\n1.234,50;1\n999,00;2\n", ["-d", ";", "--decimal", ",", "--thousands", "."], 1116.75),
        ("x\n1'000'000\n2'000.5\n", ["--thousands", "'"], 501000.25),
        ("x\n1 234\n2\u00a0234\n3\u202f234\n4234\n", ["--thousands", " "], 2734),
        ("x\n1\u00a0234\n", ["--thousands", "\u00a0"], 1234),
        ('x\n"12,34,567"\n', ["--thousands", ","], 1234567),
        ("x\n5%\n7 %\n", ["--strip", "%"], 6),
        ("x\n$1.50\n-$2.50\n$-3.50\n", ["--strip", "$"], -1.5),
        ("x\n1,5 €\n€ 2,5\n", ["-d", ";", "--decimal", ",", "--strip", "€"], 2),
        ("x\n5 kg\n7kg\n", ["--strip", "kg"], 6),
        ("x\n1.0D+00\n2.5D-01\n", ["--loose-numbers"], 0.625),
        ("x\n1.5d3\n\u2212500\n", ["--loose-numbers"], 500),
        ("x\n1e\u22123\n", ["--loose-numbers"], 0.001),
        (
            "x;y\n1,5;1\n2,0;2\n\u22123,5;3\n10,99;4\n",
            ["-d", ";", "--decimal", ",", "--loose-numbers"],
            2.7475,
        ),
        ('x,y\n"1,5",a\n2,b\n', ["--decimal", ","], 1.75),
        ("x\n9,007,199,254,740,993\n", ["--thousands", ",", "-d", ";"], 9007199254740993.0),
    ],
)
def test_numbers_in_a_notation_that_is_named_are_read(
    normcli: Cli, table: str, options: list[str], expected: float
) -> None:
    assert mean(normcli, table, "x", *options) == expected
    assert mean(normcli, table, "x", *options, "--chunk-rows", 1, "-j", 2) == expected


def test_separators_are_read_as_pandas_reads_them(normcli: Cli) -> None:
    table = 'x\n"1,234"\n"1,234,567.25"\n12\n"-12,345"\n'
    frame = pd.read_csv(pd.io.common.StringIO(table), thousands=",")
    assert mean(normcli, table, "x", "--thousands", ",") == frame["x"].mean()


@pytest.mark.parametrize("text", ["1,23", "12,3456", ",123", "1,,234", "1,234,56", "1.5,000", "1,"])
def test_what_is_not_grouped_well_is_not_a_number(text: str) -> None:
    assert not Notation(thousands=",").takes(text)


def test_exact_integers_and_codes_are_what_they_are_without_clothes(normcli: Cli) -> None:
    table = b"x;y\n9,007,199,254,740,993;$007\n1;$008\n"
    done = normcli("fit", "-d", ";", "--thousands", ",", "--strip", "$", stdin=table)
    (x,) = json.loads(done.out)["columns"].values()
    assert x["max"] == 2**53 + 1
    assert "y (leading zeros: '$007' at line 2)" in done.err


def test_results_are_plain_numbers_and_other_bytes_stay(normcli: Cli) -> None:
    table = b'a,x,p\n"1,000","1,000",5%\nb," 3,000 ",7%\n'
    options = ("-s", "x,p", "--thousands", ",", "--strip", "%")
    done = normcli("fit-transform", *options, stdin=table)
    assert done.out == b'a,x,p\n"1,000","-1.0",-1.0\nb," 1.0 ",1.0\n'


def test_a_decimal_comma_beside_a_comma_is_written_in_quotes(normcli: Cli, tmp_path: Path) -> None:
    stats, table = tmp_path / "s.json", b'x,y,z\n"1,5",a,3\n2,b,\n,c,NA\n"2,5","d,e",4\n'
    assert normcli("fit", "--decimal", ",", "-o", stats, stdin=table).code == 0
    options = ("--decimal", ",", "--stats", stats)
    scaled = normcli("transform", *options, stdin=table).out
    assert scaled.startswith(b'x,y,z\n"-1,2247448713915')
    assert scaled.splitlines()[2:4] == [b'"0,0",b,', b",c,NA"]
    back = normcli("inverse", *options, stdin=scaled).out
    assert back == b'x,y,z\n"1,5",a,"3"\n"2,0",b,\n,c,NA\n"2,5","d,e","4"\n'
    empty = normcli("transform", *options, "--missing", "null", stdin=table).out
    assert empty.splitlines()[3] == b'"",c,""'


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("1,5", "--decimal ,"),
        ("1,234", "--decimal , or --thousands ,"),
        ("1,234.5", "--thousands ,"),
        ("1.234,50", "--decimal , --thousands ."),
        ("1'234.5", '--thousands "\'"'),
        ("1 234,5 \u20ac", "--decimal , --thousands ' ' --strip '\u20ac'"),
        ("$5", "--strip '$'"),
        ("5%", "--strip %"),
        ("5 kg", "--strip kg"),
        ("1.0D+00", "--loose-numbers"),
        ("\u22123.5", "--loose-numbers; its minus sign is U+2212"),
    ],
)
def test_a_hint_names_the_options_that_read_the_number_and_they_do(
    normcli: Cli, text: str, options: str
) -> None:
    import shlex

    table = f"x\ty\n{text}\t1\n".encode()
    refused = normcli("fit", "-t", "-s", "x", stdin=table)
    assert f"is not a number\nIt is a number with {options}; to leave" in refused.err
    assert "--null" not in refused.err
    left = normcli("fit", "-t", stdin=table)
    assert f"x (a number with {options}: " in left.err
    for each in options.partition(";")[0].split(" or "):
        assert normcli("fit", "-t", "-s", "x", *shlex.split(each), stdin=table).code == 0


@pytest.mark.parametrize(
    "text", ["A12", "12:30", "2024-01-05", "10.0.0.1", "1/2", "5-3", "(3)", "n.d.", "+49 30 1234"]
)
def test_no_option_is_named_for_what_is_not_a_number(text: str) -> None:
    assert needed(text, Notation()) == []


def test_parentheses_are_not_taken_off(normcli: Cli) -> None:
    """(3) is -3 in accounts: to read it as 3 would be wrong."""
    refused = normcli("fit", "-s", "x", stdin=b"x\n(3)\n")
    assert "If the parentheses mean a minus sign, write one in their place" in refused.err
    assert normcli("fit", "--strip", "()", stdin=b"x\n(3)\n").code == 2


NOTATIONS = st.builds(
    Notation,
    st.sampled_from(".,"),
    st.sampled_from(["", "'", " ", ",", "."]),
    st.sampled_from(["", "$", "%\u20ac", "kg", "^]\\"]),
    st.booleans(),
).filter(lambda n: n.decimal != n.thousands)


@given(
    NOTATIONS,
    st.lists(st.text("0123456789+-.,' eEdD$%\u20ac\u2212\u00a0kgnaif^]\\\n", max_size=12)),
)
def test_one_text_and_a_column_are_read_alike(notation: Notation, texts: list[str]) -> None:
    """Python's regular expressions and RE2 agree on what is a number, and which."""
    together = notation.plain_texts(pa.array(texts, pa.large_string())).to_pylist()
    for text, plain in zip(texts, together, strict=True):
        one = notation.plain(text)
        assert (one if re.fullmatch(NUMBER, one) else None) == (
            plain if re.fullmatch(NUMBER, plain) else None
        )


@given(NOTATIONS, st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", "-"]))
def test_a_number_in_plain_clothes_is_itself_in_every_notation_with_a_point(
    notation: Notation, value: float, sign: str
) -> None:
    text = sign + repr(abs(value))
    if notation.decimal == ".":
        assert notation.plain(text) == text
