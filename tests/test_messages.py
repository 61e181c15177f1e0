"""Every message, word for word, with a command that causes it.

Each command runs in a directory of its own that holds `FILES`.
"""

from __future__ import annotations

import gzip
import json
import shlex
from pathlib import Path

import pytest

from tests.conftest import Cli

TABLE = b"id,x,y\n007,1,10\n008,2,\n009,6,40\n"
SIDECAR = {
    "normcli": 1,
    "rows": 2,
    "method": {"name": "zscore", "ddof": 0},
    "ddof": 0,
    "columns": {
        "x": {
            "count": 2,
            "missing": 0,
            "nan": 0,
            "inf": 0,
            "mean": 2.0,
            "std": 1.0,
            "min": 1.0,
            "max": 3.0,
            "sum": [4.0],
            "sum_of_squares": [10.0],
        }
    },
}


def sidecar(**changes: object) -> bytes:
    """The sidecar with other fields; those of its column begin with ``x_``."""
    document = json.loads(json.dumps(SIDECAR))
    for field, value in changes.items():
        target = document["columns"]["x"] if field.startswith("x_") else document
        target[field.removeprefix("x_")] = value
    return json.dumps(document).encode()


FILES: dict[str, bytes] = {
    "t.csv": TABLE,
    "other.csv": b"a,b\n1,2\n",
    "twice.csv": b"x,x\n1,2\n",
    "text.csv": b"name\nAda\nBob\n",
    "odd.csv": b"x,y\n1,1\noops,2\n",
    "code.csv": b"x\n007\n",
    "comma.csv": b"x;y\n1,5;2\n",
    "short.csv": b"x,y\n1,1\n2\n",
    "long.csv": b"x,y\n1,1\n2,3,4\n",
    "quote.csv": b'x,y\n1,5" disk\n',
    "open.csv": b'x,y\n1,"a\n2,b\n',
    "inf.csv": b"x\n1\ninf\n",
    "latin.csv": b"x,n\xe4me\n1,2\n",
    "empty.csv": b"",
    "s.json": sidecar(),
    "two.json": sidecar(columns=dict.fromkeys("xz", json.loads(sidecar())["columns"]["x"])),
    "minmax.json": sidecar(method={"name": "minmax", "range": [0, 1]}),
    "sample.json": sidecar(method={"name": "zscore", "ddof": 1}, ddof=1, x_std=2**0.5),
    "broken.json": b'{"normcli": 1,',
    "list.json": b"[1, 2]",
    "double.json": b'{"normcli": 1, "normcli": 1}',
    "newer.json": sidecar(normcli=3),
    "lacks.json": json.dumps({k: v for k, v in SIDECAR.items() if k != "rows"}).encode(),
    "extra.json": sidecar(author="me"),
    "method.json": sidecar(method={"name": "zscroe"}),
    "mean.json": sidecar(x_mean=2.5),
    "count.json": sidecar(x_count=3),
    "swapped.json": sidecar(x_min=3.0, x_max=1.0),
    "text.json": sidecar(x_mean="2"),
    "latin.json": b'{"normcli": 1, "\xe4": 2}',
    "bom.json": b"\xef\xbb\xbf" + sidecar(),
    "nan.json": sidecar().replace(b"2.0", b"NaN"),
    "gamma.json": b'{"x": "much"}',
    "book.xlsx": b"PK\x03\x04\x14\x00\x06\x00",
    "plain.csv.gz": TABLE,
    "cut.csv.gz": gzip.compress(TABLE * 100, mtime=0)[:60],
    "words.jsonl": b'{"x": 1}\n{"x": "two"}\n',
}

# command -> exit code and message. A pipe (|) before it feeds it TABLE.
MESSAGES: dict[str, tuple[int, str]] = {
    "transfrom": (2, "no command 'transfrom'. Did you mean 'transform'? See normcli --help"),
    "--hlep": (2, "no option '--hlep'. Did you mean '--help'? See normcli --help"),
    "-q fit t.csv": (
        2,
        "no option '-q'. Options of a command follow its name. See normcli --help",
    ),
    "fit --selct x t.csv": (
        2,
        "no option '--selct'. Did you mean '--select'? See normcli fit --help",
    ),
    "fit -j 0 t.csv": (2, "--jobs must be a positive integer, not 0. See normcli fit --help"),
    "fit -j two t.csv": (2, "--jobs must be a positive integer, not 'two'. See normcli fit --help"),
    "fit --chunk-rows 0 t.csv": (
        2,
        "--chunk-rows must be a positive integer, not 0. See normcli fit --help",
    ),
    "fit --on-inf skip t.csv": (
        2,
        "--on-inf: 'skip' is not one of 'error', 'ignore'. See normcli fit --help",
    ),
    "fit --on-bad-row ignore t.csv": (
        2,
        "--on-bad-row: 'ignore' is not one of 'error', 'skip', 'keep'. See normcli fit --help",
    ),
    "fit --range 1 t.csv": (2, "--range must be a number, not 't.csv'. See normcli fit --help"),
    "fit --range a b t.csv": (2, "--range must be a number, not 'a'. See normcli fit --help"),
    "fit -o": (2, "option '-o' requires an argument. See normcli fit --help"),
    "transform a.csv b.csv --stats s.json": (
        2,
        "transform takes one INPUT, not 2\n"
        "For several files, give a directory, or a glob in quotes, and --output-dir",
    ),
    "transform --precision 99 t.csv --stats s.json": (
        2,
        "--precision must be an integer from 1 to 17, not 99. See normcli transform --help",
    ),
    "fit -d ,, t.csv": (
        2,
        "--delimiter must be one ASCII character that numbers do not contain, not ',,'",
    ),
    "fit -t -d ; t.csv": (2, "--tabs and --delimiter say two things; give one of them"),
    "fit --decimal ; t.csv": (2, "--decimal must be . or , not ';'"),
    "fit --decimal , --no-quoting t.csv": (
        2,
        "--decimal and --delimiter are both ',', which only quotes can tell apart; "
        "leave out --no-quoting, or try --delimiter ';'",
    ),
    "fit --thousands . t.csv": (
        2,
        "--thousands and the decimal mark are both '.'; add --decimal ,",
    ),
    "fit --thousands ,, t.csv": (
        2,
        "--thousands must be one character that numbers do not contain, not ',,'",
    ),
    "fit --strip () t.csv": (2, "--strip cannot take off '(': numbers are written with it"),
    "fit --comment // t.csv": (
        2,
        "--comment must be one ASCII character that numbers do not contain, not '//'",
    ),
    "fit --encoding klingon t.csv": (
        2,
        "--encoding 'klingon' is not known; try utf-8, latin-1, cp1252 or utf-16",
    ),
    "fit --from xls t.csv": (
        2,
        "no format 'xls': choose one of arrow, arrows, csv, tsv, jsonl, json, parquet",
    ),
    "transform t.csv --stats s.json --to xls": (
        2,
        "no format 'xls': choose one of arrow, arrows, csv, tsv, jsonl, json, parquet",
    ),
    "fit --from csvv t.csv": (
        2,
        "no format 'csvv': choose one of arrow, arrows, csv, tsv, jsonl, json, parquet."
        " Did you mean 'csv'?",
    ),
    "fit --method zscores t.csv": (
        2,
        "no method 'zscores'. Did you mean 'zscore'? For the list, run: normcli methods",
    ),
    "fit --ddof 2 t.csv": (2, "--ddof must be 0 (population) or 1 (sample), not 2"),
    "fit --range 1 0 --method minmax t.csv": (2, "--range 1 0: LOW must be less than HIGH"),
    "fit --range 0 inf --method minmax t.csv": (
        2,
        "an end of --range must be a finite number, not 'inf'",
    ),
    "fit --range 0 1 t.csv": (2, "--range belongs to --method minmax; the method here is zscore"),
    "fit --column x=batch --gamma 2 t.csv": (
        2,
        "--gamma belongs to --method batch; the method here is zscore. For --column, write "
        "NAME=batch:gamma=VALUE",
    ),
    "fit --column x t.csv": (2, "--column takes NAMES=METHOD[:ARGS], not 'x'"),
    "fit --column x= t.csv": (2, "--column takes NAMES=METHOD[:ARGS], not 'x='"),
    "fit --column x=minmaks t.csv": (
        2,
        "no method 'minmaks'. Did you mean 'minmax'? For the list, run: normcli methods",
    ),
    "fit --column x=minmax:1 t.csv": (2, "minmax takes two numbers, LOW,HIGH, not '1'"),
    "fit --column x=minmax:1,b t.csv": (2, "an end of --range must be a finite number, not 'b'"),
    "fit --column x=zscore:5 t.csv": (2, "zscore takes KEY=VALUE pairs such as ddof=..., not '5'"),
    "fit --column x=zscore:dof=1 t.csv": (
        2,
        "zscore has no option 'dof': it has ddof, no-center, no-scale, mean, std. "
        "Did you mean 'ddof'?",
    ),
    "fit --column z=minmax t.csv": (2, "--column 'z': there is no such column in the table"),
    "fit --column id=minmax t.csv": (
        2,
        "--column 'id': it is left alone (leading zeros: '007' at line 2)",
    ),
    "fit --column x=zscore:ddof=1,ddof=0 t.csv": (
        2,
        "zscore: ddof is given twice in 'ddof=1,ddof=0'",
    ),
    "fit --method batch --gamma much t.csv": (2, "--gamma is a number, not 'much'"),
    "fit --method batch --gamma 1 --gamma x=2 t.csv": (
        2,
        "--gamma is either one number or NAME=NUMBER pairs, not both",
    ),
    "fit --method batch --gamma z=2 t.csv": (2, "--gamma: no column 'z' is scaled"),
    "fit --method batch --gamma @absent.json t.csv": (
        1,
        "cannot read 'absent.json': No such file or directory",
    ),
    "fit --method batch --gamma @t.csv t.csv": (2, "--gamma: 't.csv' is not JSON"),
    "fit --method batch --gamma @list.json t.csv": (
        2,
        "--gamma: 'list.json' is not a JSON object of NAME: NUMBER",
    ),
    "fit --method batch --gamma @gamma.json t.csv": (
        2,
        "--gamma: 'gamma.json' is not a JSON object of NAME: NUMBER",
    ),
    "fit --method batch --eps 0 t.csv": (2, "--eps must be greater than 0, not 0"),
    "fit --method batch --momentum 2 t.csv": (2, "--momentum must be above 0 and at most 1, not 2"),
    "fit --method batch --momentum often t.csv": (
        2,
        "--momentum is a number or cumulative, not 'often'",
    ),
    "transform --method batch t.csv": (2, "--method batch in training mode needs --batch-size"),
    "transform --method batch --batch-size 1 t.csv": (
        2,
        "--batch-size must be at least 2, not 1: a batch of one row has no variance, "
        "its result would be beta everywhere",
    ),
    "transform --method batch --batch-size 2 -s x t.csv": (
        1,
        "t.csv: the last batch has one row, which carries no information: the result "
        "would be beta everywhere\n"
        "Use --last-batch merge or drop, or another --batch-size",
    ),
    "transform --method batch --batch-size 2 -s x --last-batch error t.csv": (
        1,
        "t.csv: the last batch has 1 of 2 rows\n"
        "Choose what becomes of it with --last-batch keep, merge or drop",
    ),
    "transform --method batch --batch-size 2 --running -s x --mode train t.csv": (
        2,
        "--running is for --mode predict; training uses each batch's own",
    ),
    "transform --method batch --running --stats s.json -s x t.csv": (
        2,
        "column 'x': the statistics have no running mean and variance. Save them with "
        "--mode train --save-stats, or leave out --running",
    ),
    "inverse t.csv -s x --stats s.json --method batch --mode train": (
        2,
        "no option '--mode'. See normcli inverse --help",
    ),
    "inverse t.csv -s x --stats s.json --method batch --gamma 0": (
        2,
        "column 'x': gamma is 0: all its numbers became beta, so it cannot be undone",
    ),
    "fit -s z t.csv": (2, "no column 'z'. The table has 'id', 'x', 'y'"),
    "fit -s x1 t.csv": (2, "no column 'x1'. The table has 'id', 'x', 'y'"),
    "fit -s 7 t.csv": (2, "there is no column 7: the table has columns 1 to 3"),
    "fit -s 2-9 t.csv": (2, "there are no columns 2-9: the table has columns 1 to 3"),
    "fit -s /[/ t.csv": (
        2,
        "'/[/' is not a regular expression: unterminated character set at position 0",
    ),
    "fit -s z* t.csv": (2, "no column 'z*'. The table has 'id', 'x', 'y'"),
    "fit --exclude z t.csv": (2, "no column 'z'. The table has 'id', 'x', 'y'"),
    "fit -s !x,!y,!id t.csv": (2, "--select and --exclude leave no column"),
    "transform t.csv": (
        2,
        "transform needs --stats, a file that fit writes: normcli fit train.csv -o s.json\n"
        "To fit and scale the same table at once, use fit-transform",
    ),
    "inverse t.csv": (
        2,
        "inverse needs --stats, a file that fit writes: normcli fit train.csv -o s.json",
    ),
    "check t.csv": (
        2,
        "check needs --stats, a file that fit writes: normcli fit train.csv -o s.json",
    ),
    "| check --stats -": (2, "stdin (-) can be read only once: as INPUT or as --stats"),
    "| transform --stats -": (2, "stdin (-) can be read only once: as INPUT or as --stats"),
    "show": (2, "missing argument 'SIDECAR [SIDECAR]'. See normcli show --help"),
    "show s.json s.json s.json": (2, "show takes one sidecar or two, not 3"),
    "merge": (2, "missing argument 'SIDECAR...'. See normcli merge --help"),
    "fit --sep ; t.csv": (
        2,
        "no option '--sep'. Did you mean '--delimiter'? See normcli fit --help",
    ),
    "fit --columns x t.csv": (
        2,
        "no option '--columns'. Did you mean '--select'? See normcli fit --help",
    ),
    "fit --groupby x t.csv": (
        2,
        "no option '--groupby'. Did you mean '--by'? See normcli fit --help",
    ),
    "fit --impute mean t.csv": (
        2,
        "no option '--impute'. Did you mean '--missing'? See normcli fit --help",
    ),
    "fit --standard t.csv": (
        2,
        "no option '--standard'. Did you mean '--method zscore'? See normcli fit --help",
    ),
    "fit --method standard t.csv": (
        2,
        "no method 'standard'. Did you mean 'zscore'? For the list, run: normcli methods",
    ),
    "normalize t.csv": (
        2,
        "no command 'normalize'. Did you mean 'fit-transform'? See normcli --help",
    ),
    "fit absent.csv": (1, "no such file: absent.csv"),
    "fit t.cvs": (1, "no such file: t.cvs. Did you mean 't.csv'?"),
    "fit *.parquet": (1, "no file matches *.parquet"),
    "fit empty": (1, "there is no file to read in the directory empty"),
    "fit -": (1, "stdin: there is no header and no row in it"),
    "fit - -": (2, "stdin (-) can be read only once"),
    "transform *.csv --stats s.json": (
        2,
        "*.csv is 14 files; give one at a time, or all with --output-dir",
    ),
    "fit t.csv -o t.csv": (2, "--output would replace the input t.csv"),
    "fit t.csv --json-summary t.csv -o s2.json": (
        2,
        "--json-summary would replace the input t.csv",
    ),
    "fit t.csv -o s2.json --json-summary s2.json": (
        2,
        "--output and --json-summary both write to s2.json",
    ),
    "check t.csv --stats s.json --json-summary -": (
        2,
        "the verdict and --json-summary both write to -",
    ),
    "fit t.csv -o no/such/s.json": (
        1,
        "cannot write no/such/s.json: there is no directory no/such",
    ),
    "fit t.csv -o empty": (1, "cannot write empty: it is a directory; name a file in it"),
    "fit t.csv -o empty/": (1, "cannot write empty/: it is a directory; name a file in it"),
    "fit plain.csv.gz": (
        1,
        "plain.csv.gz: this is not gzip data (it begins with b'id,x')\n"
        "If it is not compressed, rename it or pipe it in",
    ),
    "fit cut.csv.gz": (1, "cut.csv.gz: the gzip data end too early: truncated?"),
    "fit empty.csv": (1, "empty.csv: there is no header and no row in it"),
    "fit text.csv": (
        1,
        "no column holds numbers only: 'name' (text: 'Ada' at line 2)\n"
        "Choose some with --select, or see --delimiter",
    ),
    "fit twice.csv": (
        1,
        "2 columns are named 'x', and a column of numbers is among them\n"
        "Rename them, --exclude them, or use --no-header and positions",
    ),
    "fit code.csv": (
        1,
        "no column holds numbers only: 'x' (leading zeros: '007' at line 2)\n"
        "Choose some with --select, or see --delimiter",
    ),
    "fit odd.csv -s x": (
        1,
        "odd.csv: line 3, column 'x': 'oops' is not a number\n"
        "If it marks a missing value, add --null oops; to leave the column alone, "
        "--exclude x",
    ),
    "fit comma.csv -d ; -s x": (
        1,
        "comma.csv: line 2, column 'x': '1,5' is not a number\n"
        "It is a number with --decimal ,; to leave the column alone, --exclude x",
    ),
    "fit short.csv": (
        1,
        "short.csv: line 3: 1 cell where the header has 2\n"
        "Fix the line, skip such rows with --on-bad-row skip, keep them as they are with "
        "--on-bad-row keep, or check --delimiter",
    ),
    "fit long.csv": (
        1,
        "long.csv: line 3: 3 cells where the header has 2\n"
        "Fix the line, skip such rows with --on-bad-row skip, keep them as they are with "
        "--on-bad-row keep, or check --delimiter",
    ),
    "fit quote.csv": (
        1,
        "quote.csv: line 2: a quote inside an unquoted cell\n"
        "If quotes are ordinary characters in this file, add --no-quoting",
    ),
    "fit open.csv": (
        1,
        "open.csv: line 2: a quote opened at line 2 is never closed\n"
        "If quotes are ordinary characters in this file, add --no-quoting",
    ),
    "fit inf.csv": (
        1,
        "inf.csv: line 3, column 'x': 'inf' is infinite, or too large for a float64\n"
        "To leave such cells out of the statistics and as they are, add --on-inf ignore",
    ),
    "fit latin.csv": (
        1,
        "latin.csv: line 1: byte 0xe4 at offset 3 is not UTF-8\n"
        "If the file is in another encoding, add --encoding latin-1",
    ),
    "fit t.csv other.csv": (
        1,
        "other.csv: this table has no column 'id'; all inputs of one fit need the same "
        "columns\n"
        "To leave it alone, --exclude it; or fit each by itself",
    ),
    "fit --max-columns 2 t.csv": (
        1,
        "t.csv: 3 columns are more than the limit of 2\n"
        "If this is intended, raise the limit with --max-columns",
    ),
    "fit --max-record-bytes 5 t.csv": (
        1,
        "t.csv: the header is longer than 5 bytes; perhaps a quote is not closed\n"
        "If this is intended, raise the limit with --max-record-bytes",
    ),
    "fit words.jsonl -s x": (
        1,
        "words.jsonl: line 2, column 'x': 'two' is not a number\n"
        "If it marks a missing value, add --null two; to leave the column alone, "
        "--exclude x",
    ),
    "transform other.csv --stats s.json": (
        1,
        "other.csv: none of its columns is in the statistics, which have 'x'\n"
        "It has 'a', 'b'. Are these the statistics of another table?",
    ),
    "inverse --tabs t.csv --stats s.json": (
        1,
        "t.csv: none of its columns is in the statistics, which have 'x'\n"
        "With --delimiter ,, each of the first lines has 3 cells",
    ),
    "transform --exclude x t.csv --stats s.json": (
        2,
        "--select and --exclude leave no column of the statistics",
    ),
    "transform t.csv --stats two.json": (
        1,
        "t.csv: no column 'z', which the statistics have\n"
        "To scale the others only, --select them or --exclude it",
    ),
    "transform t.csv --stats s.json --column y=minmax": (
        2,
        "--column 'y': there is no such column in the statistics",
    ),
    "inverse t.csv --stats s.json --column xx=minmax": (
        2,
        "--column 'xx': there is no such column in the statistics",
    ),
    "transform t.csv --stats s.json -s y": (2, "the statistics have no column 'y'. They have 'x'"),
    "transform t.csv --stats s.json -s z": (2, "no column 'z'. The table has 'id', 'x', 'y'"),
    "transform odd.csv --stats s.json": (
        1,
        "odd.csv: line 3, column 'x': 'oops' is not a number\n"
        "If it marks a missing value, add --null oops; to leave the column alone, "
        "--exclude x",
    ),
    "transform twice.csv --stats s.json": (
        1,
        "twice.csv: 2 columns are named 'x'; rename them, or --exclude them",
    ),
    "transform inf.csv --stats s.json": (
        1,
        "inf.csv: line 3, column 'x': 'inf' is infinite, or too large for a float64\n"
        "To leave such cells out of the statistics and as they are, add --on-inf ignore",
    ),
    "transform t.csv --stats minmax.json --out-of-range error": (
        1,
        "t.csv: line 4, column 'x': '6' is outside the fitted range, 1 to 3. "
        "--out-of-range keep, clip or null lets such numbers pass",
    ),
    "transform t.csv --stats absent.json": (
        1,
        "no such file: absent.json",
    ),
    "transform t.csv --stats t.csv": (
        1,
        "t.csv: not a sidecar: it is not valid JSON: Expecting value (line 1 column 1)\n"
        "To make one from a table: normcli fit TABLE",
    ),
    "check other.csv s.json --stats s.json": (
        1,
        "s.json: this table has no column 'a'; all inputs of one fit need the same "
        "columns\n"
        "To leave it alone, --exclude it; or fit each by itself",
    ),
    "check s.json s.json --stats s.json": (
        2,
        "check compares one sidecar at a time; to combine several, use merge",
    ),
    "check t.csv --stats s.json --max-mean-shift lots": (
        2,
        "--max-mean-shift must be 0 or more, a percentage, or 'off', not 'lots'. See "
        "normcli check --help",
    ),
    "check t.csv --stats s.json --max-spread-ratio 0.5": (
        2,
        "--max-spread-ratio must be 1 or more, a percentage, or 'off', not '0.5'. "
        "See normcli check --help",
    ),
    "merge s.json minmax.json": (
        1,
        "minmax.json and those before it: cannot merge: fitted for zscore in one, for minmax in "
        "the other",
    ),
    "merge s.json s.json sample.json minmax.json": (
        1,
        "sample.json and those before it: cannot merge: fitted for zscore with "
        "ddof 0 in one, 1 in the other",
    ),
    "merge s.json absent.json": (1, "no such file: absent.json"),
    "show s.json --json --markdown": (
        2,
        "--json and --markdown exclude each other; give one of them",
    ),
    "check t.csv --stats s.json --json --markdown": (
        2,
        "--json and --markdown exclude each other; give one of them",
    ),
    "show broken.json": (
        1,
        "broken.json: not a sidecar: it is not valid JSON: Expecting property name "
        "enclosed in double quotes (line 1 column 15)",
    ),
    "show list.json": (1, "list.json: a list is not an object"),
    "show double.json": (1, "double.json: the name 'normcli' occurs twice in one object"),
    "show newer.json": (1, "newer.json: made by a newer normcli: version 3; this one reads 2"),
    "show lacks.json": (1, "lacks.json: the field 'rows' is missing"),
    "show extra.json": (1, "extra.json: unknown field 'author'"),
    "show method.json": (
        1,
        "method.json: field 'method': no method 'zscroe'. Did you mean 'zscore'? For the list, "
        "run: normcli methods",
    ),
    "show mean.json": (
        1,
        "mean.json: column 'x', field 'mean': 2.5 does not match the exact sums, which give "
        "2.0: was it edited? To change the statistics, fit again",
    ),
    "show count.json": (
        1,
        "count.json: column 'x', field 'count': count, missing, nan, inf and left_out add up to 3 "
        "cells, but there are 2 rows",
    ),
    "show swapped.json": (
        1,
        "swapped.json: column 'x', field 'min': the min is greater than the max",
    ),
    "show text.json": (
        1,
        "text.json: column 'x', field 'mean': '2' is not a finite number or null",
    ),
    "show latin.json": (1, "latin.json: not UTF-8 text (byte 16)"),
    "show bom.json": (1, "bom.json: starts with a byte order mark; a sidecar is UTF-8 without one"),
    "show nan.json": (
        1,
        "nan.json: column 'x', field 'mean': 'NaN' is not a finite number or null",
    ),
    "show s.json --max-sidecar 10": (
        1,
        "s.json: the sidecar has more than 10 bytes; if you trust it, allow more with "
        "--max-sidecar",
    ),
    "show t.csv": (
        1,
        "t.csv: not a sidecar: it is not valid JSON: Expecting value (line 1 column 1)\n"
        "To make one from a table: normcli fit TABLE",
    ),
    "completion tcsh": (
        2,
        "'tcsh' is not one of 'bash', 'zsh', 'fish'. See normcli completion --help",
    ),
    "completion": (
        2,
        "missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish. See normcli "
        "completion --help",
    ),
    "fit --ddof -1 t.csv": (
        2,
        "--ddof must be 0 or a positive integer, not -1. See normcli fit --help",
    ),
    "fit --ddof half t.csv": (
        2,
        "--ddof must be 0 or a positive integer, not 'half'. See normcli fit --help",
    ),
    "fit book.xlsx": (
        1,
        "book.xlsx: this is an Excel workbook or another zip archive\n"
        "Save the sheet as CSV, or unpack the archive, and use that file",
    ),
    "check s.json t.csv --stats s.json": (
        2,
        "check compares one sidecar at a time; to combine several, use merge",
    ),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        Path(name).write_bytes(content)
    Path("empty").mkdir()
    return tmp_path


@pytest.mark.parametrize("command", MESSAGES, ids=str)
def test_a_message_says_what_where_and_what_to_try(normcli: Cli, here: Path, command: str) -> None:
    code, message = MESSAGES[command]
    piped = command.startswith("| ")
    result = normcli(*shlex.split(command.removeprefix("| ")), stdin=TABLE if piped else b"")
    assert result.err == f"normcli: {message}\n"
    assert (result.code, result.out) == (code, b"")


def test_no_message_is_longer_than_two_lines() -> None:
    assert [m for _, m in MESSAGES.values() if m.count("\n") > 1] == []
