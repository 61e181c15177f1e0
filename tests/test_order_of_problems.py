"""Of several problems of a table the first is told, wherever its chunks are cut."""

from __future__ import annotations

from itertools import product

import pytest

ROWS = [f"{i},{i}.5" for i in range(12)]
SIZES = [(), ("--chunk-rows", "1"), ("--chunk-rows", "3"), ("--chunk-rows", "7", "-j", "2")]
COMMANDS = [
    ("fit", "-s", "x"),
    ("fit",),
    ("fit-transform", "-s", "x"),
    ("fit-transform", "-s", "x", "--method", "batch", "--batch-size", "4"),
]


def csv_of(changes):
    rows = [changes.get(i, row) for i, row in enumerate(ROWS)]
    return "\n".join(["id,x", *rows, ""])


def jsonl_of(changes):
    rows = [f'{{"id":{i},"x":{i}.5}}' for i in range(12)]
    return "\n".join([*(changes.get(i, row) for i, row in enumerate(rows)), ""])


CSV_PROBLEMS = {
    "infinite": ("4,1e999", "is infinite"),
    "ragged": ("4,1,2", "3 cells where the header has 2"),
    "quote": ('4,1"', "a quote inside an unquoted cell"),
    "text": ("4,five", "'five' is not a number"),
}
JSONL_PROBLEMS = {
    "infinite": ('{"id":4,"x":1e999}', "is infinite"),
    "malformed": ('{"id":4,"x":1', "line"),
    "text": ('{"id":4,"x":"five"}', "'five' is not a number"),
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("suffix", "table", "problems"),
    [("csv", csv_of, CSV_PROBLEMS), ("jsonl", jsonl_of, JSONL_PROBLEMS)],
    ids=["csv", "jsonl"],
)
def test_the_first_problem_is_told_at_every_chunk_size(
    normcli, tmp_path, command, suffix, table, problems
):
    path = tmp_path / f"t.{suffix}"
    for first, later in product(problems, problems):
        if "text" in (first, later) and "-s" not in command:
            continue  # no problem, but a column that is left alone
        path.write_text(table({5: problems[first][0], 9: problems[later][0]}))
        ahead = later == "malformed" and first != later  # the keys of all lines come first
        row, words = (9, problems[later][1]) if ahead else (5, problems[first][1])
        for size in SIZES:
            result = normcli(*command, str(path), *size, "-o", "-", "-q")
            assert result.code == 1, (first, later, size)
            assert words in result.err, (first, later, size)
            assert f"line {row + (suffix == 'csv') + 1}" in result.err, (first, later, size)
