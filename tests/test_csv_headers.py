"""CSV: what is before the rows. Headers of numbers, units, titles, comments, delimiters."""

from __future__ import annotations

import shlex
import subprocess

import pytest

import normcli as normcli_api
from normcli.errors import DataError, UsageError
from normcli.formats.csv.format import Csv, Tsv
from tests.read_options import read_options
from tests.test_csv import Memory, error_of, outcome, run, same_outcome


def opened(data: bytes, format_=None, **options):
    return (format_ or Csv()).open(Memory(data), read_options(**options))


# -- a header of numbers ---------------------------------------------------------------------

WAYS_OUT = "If it is a row, add --no-header; if it is the header, add --header"


@pytest.mark.parametrize(
    "data",
    [
        b"7.4,0.7,0.00,1.9\n7.8,0.88,0,2.6\n",  # the wine data of UCI, in no order
        b"0,0\n1,1\n",
        b"5.1,3.5,1.4,0.2,Iris-setosa\n4.9,3.0,1.4,0.2,Iris-setosa\n4.7,3.2,1.3,0.2,x\n",
        b"39,State-gov,77516\n50,Self-emp,83311\n38,State-gov,215646\n",
        b"Ann,5.2\nAnn,3.1\nBob,1\n",
        b"2024-01-01,5.2\n2024-01-02,3.1\n2024-01-03,3.5\n",
        b"1,5;2,5\n2,5;1,25\n3,5;7,5\n",
        b",1.5,1.5\nx,1,2\n",
    ],
)
def test_a_header_that_is_a_row_of_data_is_refused_with_both_ways_out(data):
    message = error_of(data)
    assert message.startswith("t.csv: line 1: the header looks like a row of data: '")
    assert message.endswith(WAYS_OUT)
    assert len(opened(data, header=True).columns) > 1
    assert opened(data, no_header=True).columns[:2] == ["1", "2"]


@pytest.mark.parametrize(
    "data",
    [
        b"1\tAnn\t3.5\n2\tBob\t4\n".replace(b"\t", b","),
        b"Ann,34\nBob,35\n",
        b"1,10\n2,20\n",
        b"400.5,401,401.5\n1,2,3\n",
        b"2021,2020,2019\n1,2,3\n",
        b"5\n6\n",
    ],
)
def test_a_header_of_numbers_in_order_is_told(data):
    (note,) = opened(data).notes
    assert note.startswith("line 1 is taken for the header, and has numbers: ")
    assert note.endswith("; if it is a row, add --no-header")
    assert same_outcome(data) == (data, [])
    assert not opened(data, header=True).notes


@pytest.mark.parametrize(
    "data",
    [
        b"0,1,2\n5,6,7\n",  # pandas
        b",0,1\n0,6,7\n",
        b"country,2019,2020\nFR,1,2\nDE,1,3\n",
        b"id,x,y\n1,2,3\n",
        b"x1,x2\n1,2\n",
        b"code,x1\na1,x1\nb2,x9\n",
        b"nan,inf\n1,2\n",
    ],
)
def test_an_ordinary_header_is_taken_in_silence(data):
    assert not opened(data).notes


def test_a_header_with_the_names_of_the_statistics_is_taken_in_silence():
    data = b"7.4,0.7,1.9\n7.8,0.88,2.6\n"
    assert not opened(data, known=("7.4", "0.7", "1.9")).notes
    assert not opened(data, known=("0.7", "1.9")).notes
    assert not opened(data, known=("7.4", "0.7", "1.9", "x")).notes
    assert "looks like a row" in outcome(data, known=("7.4", "x"))[1]


def test_header_and_no_header_contradict_each_other():
    with pytest.raises(UsageError, match="--header and --no-header say two things"):
        opened(b"a\n1\n", header=True, no_header=True)


# -- lines before and after the header ---------------------------------------------------------


def test_lines_that_are_skipped_are_not_data_and_stay_byte_for_byte():
    data = b'\xef\xbb\xbfReport "2024\r\n\r\na,b\r\n,"oC\r\n1,2\r\n\r\n3,4'
    new = data.replace(b"1,2", b"1,5.0").replace(b"3,4", b"3,9.0")
    options = {"skip_rows": 2, "skip_after_header": 1}
    assert same_outcome(data, ["b"], **options) == (new, [])
    table = opened(data, **options)
    assert table.columns == ["a", "b"]
    assert table.first[0] == 5


def test_lines_can_be_skipped_before_a_first_row_without_a_header():
    data = b"made by us\n1,2\n3,4\n"
    new = b"made by us\n1,5.0\n3,9.0\n"
    assert same_outcome(data, ["2"], no_header=True, skip_rows=1) == (new, [])
    with pytest.raises(UsageError, match="--skip-after-header needs a header"):
        opened(data, no_header=True, skip_after_header=1)


@pytest.mark.parametrize("option", ["skip_rows", "skip_after_header"])
def test_more_lines_than_there_are_cannot_be_skipped(option):
    message = error_of(b"a,b\n1,2\n", **{option: 5})
    assert message == f"t.csv: it has fewer lines than --{option.replace('_', '-')} leaves out"


def test_skipped_lines_stay_where_csv_becomes_tsv():
    data = b"title\na,b\n,oC\n1,2\n"
    table = opened(data, skip_rows=1, skip_after_header=1)
    encoder = Tsv().encoder(table, [], style(), read_options())
    assert encoder.head == b"title\na\tb\n,oC\n"


def style():
    from normcli.formats.base import Style

    return Style()


def test_a_line_of_units_is_told():
    data = b"Year,Temp,Oxy\n,oC,umol/kg\n2020,26.7,200\n2021,5.2,156\n"
    (note,) = opened(data).notes
    assert note == (
        "line 2 has no number, but the lines after it have; if it holds units, add "
        "--skip-after-header 1"
    )
    assert not opened(data, skip_after_header=1).notes
    assert not opened(b"a,b\nx,2\ny,3\nz,4\n").notes
    assert not opened(b"a,b\nx,2024-01-01\ny,3\nz,4\n").notes


# -- delimiters --------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"sep=;\r\n", b'"SEP=;"\n', b"\xef\xbb\xbfsep=;\n", b"sep=;;;\r"])
def test_the_line_with_which_excel_names_the_delimiter_is_understood_and_stays(line):
    data = line + b"id;price\n1;2,5\n2;3,5\n"
    new = data.replace(b"\n1;", b"\n3.0;").replace(b"\n2;", b"\n5.0;")
    assert same_outcome(data, ["id"]) == (new, [])
    assert not opened(data).notes
    new = data.replace(b"2,5", b"6,0").replace(b"3,5", b"8,0")
    assert same_outcome(data, ["price"], delimiter=";", decimal=",") == (new, [])
    assert opened(b"sep=\t\na\tb\n").columns == ["a", "b"]
    assert opened(b"sep=;\na,b\n", delimiter=",").columns == ["a", "b"]
    assert opened(line + b"1;2\n", no_header=True).columns == ["1", "2"]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_where_commas_split_nothing_another_delimiter_is_taken_and_told(mark):
    data = f'"a"{mark}b\n1{mark}"2, 3"\n4{mark}5\n'.encode()
    (note,) = opened(data).notes
    shown = "tab" if mark == "\t" else f"'{mark}'"
    assert note.startswith(f"the delimiter is taken to be {shown};")
    assert same_outcome(data, ["a"]) == (
        data.replace(b"1", b"3.0").replace(b"4", b"9.0"),
        [],
    )
    assert opened(data, delimiter=mark).notes == ()


@pytest.mark.parametrize(
    "data",
    [b"a\n1\n2\n", b"a;b\n1;2;3\n4;5\n", b"a,b;c\n1,2;3\n", b"a;b\n1,5;2\n", b"tags\nx|y\nx|z\n"],
)
def test_where_another_delimiter_does_not_split_evenly_commas_are_meant(data):
    assert not any("delimiter" in note for note in opened(data).notes)
    assert opened(data).columns == data.split(b"\n")[0].decode().split(",")


# -- names in a comment --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines", [b"# x,y\n", b"#by us, 2024\n\n## x , y\n", b"\xef\xbb\xbf# x,y\r\n"]
)
def test_the_comment_before_a_first_row_of_numbers_has_the_names(lines):
    data = lines + b"1,10\n2,20\n# end\n6,60\n"
    table = opened(data, comment="#")
    assert table.columns == ["x", "y"]
    assert "the names of the columns are those of the comment before line" in table.notes[0]
    new = data.replace(b",10", b",21.0").replace(b",20\n", b",41.0\n").replace(b",60", b",121.0")
    assert same_outcome(data, ["y"], comment="#") == (new, [])
    assert opened(data, comment="#", header=True).columns == ["1", "10"]
    assert opened(data, comment="#", no_header=True).columns == ["1", "2"]


def test_other_comments_have_no_names():
    assert opened(b"# by, us\na,b\n1,2\n", comment="#").columns == ["a", "b"]
    assert opened(b"# x,y,z\n1,2\n3,4\n", comment="#").columns == ["1", "2"]
    assert opened(b"# x,x\n1,2\n3,4\n", comment="#").columns == ["1", "2"]


def test_a_title_that_is_skipped_has_no_names():
    data = b"T,x\n1,2\n3,4\n"
    assert opened(data, comment="#", skip_rows=1).columns == ["1", "2"]
    data = b"T,x\n# a,b\n1,2\n3,4\n"
    assert opened(data, comment="#", skip_rows=1).columns == ["a", "b"]


def test_the_names_of_numpy_are_between_blanks():
    data = b"# x y\n1.0e+00  2.0e+00\n3.0e+00 -4.0e+00\n"
    options = {"comment": "#", "delimiter": "space+"}
    assert opened(data, **options).columns == ["x", "y"]
    new = data.replace(b"1.0e+00", b"3.0").replace(b"3.0e+00", b"7.0")
    assert same_outcome(data, ["x"], **options) == (new, [])


# -- rows with more or fewer cells ----------------------------------------------------------------


def test_kept_rows_stay_and_cells_that_are_not_there_are_missing():
    data = b'a,b,c\n1,2,3,\n4,"5\n"\n\n7,8,9,"x\ny"\n6\n,,\n'
    new = data.replace(b"1,2,3", b"3.0,5.0,7.0").replace(b"7,8,9", b"15.0,17.0,19.0")
    new = new.replace(b"\n6\n", b"\n13.0\n").replace(b'4,"5\n"', b'9.0,"11.0\n"')
    found = same_outcome(data.replace(b'"5\n"', b'"5"'), ["a", "b", "c"], keep_bad_rows=True)
    assert found == (new.replace(b'"11.0\n"', b'"11.0"'), [])
    table = opened(data.replace(b'"5\n"', b'"5"'), keep_bad_rows=True)
    (chunk,) = table.chunks()
    assert [x.missing.tolist() for x in chunk.numbers([1, 2])] == [
        [False, False, False, True, True],
        [False, True, False, True, True],
    ]
    assert chunk.kept_rows == 4
    assert chunk.slice(2, 4).block == b'\n7,8,9,"x\ny"\n6\n'


def test_rows_with_a_trailing_delimiter_are_whole_in_other_formats_and_texts_are_not_lost():
    table = opened(b"a,b\n1,2,\n3\n", keep_bad_rows=True)
    (chunk,) = table.chunks()
    assert chunk.to_arrow({}, style()).to_pydict() == {"a": ["1", "3"], "b": ["2", None]}
    table = opened(b"a,b\n1,2,\n3,4,5\n", keep_bad_rows=True)
    (chunk,) = table.chunks()
    with pytest.raises(DataError, match="line 3: there are more cells than columns"):
        chunk.to_arrow({}, style())


def test_a_header_that_lacks_the_name_of_the_row_names_is_refused():
    data = b'"mpg","cyl"\n"Mazda RX4",21,6\n"Datsun 710",22.8,4\n'
    hint = "If the rows begin with their names, as R writes them, add --no-header --skip-rows 1"
    for keep in (True, False):
        message = error_of(data, keep_bad_rows=keep)
        assert message.endswith(hint)
    new = data.replace(b"21,", b"43.0,").replace(b"22.8,", b"46.6,")
    assert run(data, ["2"], no_header=True, skip_rows=1)[0] == new


# -- what helps --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (
            b'"mpg" "cyl"\n"Mazda RX4" 21 6\n"Datsun" 22.8 4\n',
            "add --delimiter space+ --no-header --skip-rows 1",
        ),
        (b"a;b\n1,0;2;\n2,5;3;\n", "add --delimiter ';' --on-bad-row keep"),
        (b"A,B,C\n1,4,7,\n2,5,8,\n", "add --on-bad-row keep"),
        (b"a,b,c,\n1,2,3\n4,5,6\n", "add --on-bad-row keep"),
        (b"a;b\n1,5;2\n2,5;3\n", "With --delimiter ';', each of the first lines has 2 cells"),
        (b"Report\n\na,b,c\n1,2,3\n4,5,6\n", "With --skip-rows 2, each of"),
        (b"Report;x\nby;us\na;b;c\n1,5;2;3\n4;5;6\n", "With --delimiter ';' --skip-rows 2, each"),
        (b"# by us\n# again\na,b\n1,2\n", "With --comment '#', each of"),
        (b'x,note\n1,"say \\"hi\\", Ann"\n3,"plain"\n', "With --escape '\\', each of"),
        (b"x,y\n'1, a',2\n'3, \"b',4\n", 'With --quote "\'", each of'),
        (b'a\tb, "c"\n1\t2, "3" x\n', "With --delimiter tab --no-quoting, each of"),
        (b'a  b\n1  "2, 3"\n4 5\n', "With --delimiter space+, each of"),
        (b'[{"a":1},{"a":2}]\n', "This looks like JSON: add --from json"),
        (b'{"a":1, "b":2}\n{"a":2}\n', "This looks like JSON: add --from jsonl"),
        (b'a,"b" "c",d\n', "If quotes are ordinary characters in this file, add --no-quoting"),
        (b'a,b\n1,5" pipe\n', "If quotes are ordinary characters in this file, add --no-quoting"),
    ],
)
def test_a_hint_is_what_works_for_the_first_lines(data, hint):
    message = error_of(data)
    assert hint in message
    if "With" in message:
        names = shlex.split(message.partition("With ")[2].partition(", each")[0])
        asked = {"no_quoting": True} if names[-1] == "--no-quoting" else {}
        pairs = zip(names[::2], names[1::2], strict=False)
        asked |= {name[2:].replace("-", "_"): value for name, value in pairs}
        if "skip_rows" in asked:
            asked["skip_rows"] = int(asked["skip_rows"])
        assert same_outcome(data, **asked) == (data, [])


def test_a_quote_far_from_the_first_lines_gets_a_hint_for_its_line():
    rows = b'1,"plain"\n' * 50
    message = error_of(b"x,note\n" + rows + b'1,"a \\"b\\", c"\n' + rows)
    assert message.endswith("If \\ makes an ordinary character of the next one, add --escape '\\'")
    message = error_of(b"x,note\n" + rows + b'1,"a "b", c"\n' + rows)
    assert message.endswith("Fix the line, or skip such rows with --on-bad-row skip")


# -- all commands ------------------------------------------------------------------------------

MESSY = "sep=;\r\nReport, 2024\r\nid;x\r\n;oC\r\n7;1,5\r\n8\r\n9;4,5;\r\n"
OPTIONS = [
    *("--skip-rows", "2", "--skip-after-header", "1", "--decimal", ","),
    *("--on-bad-row", "keep", "-s", "x"),
]
SCALED = MESSY.replace("1,5", "-1,0").replace("4,5", "1,0")


def test_every_command_leaves_what_is_around_the_rows(normcli, tmp_path):
    table, stats = tmp_path / "t.csv", tmp_path / "s.json"
    scaled, back = tmp_path / "z.csv", tmp_path / "b.csv"
    table.write_bytes(MESSY.encode())
    normcli("fit", table, "-q", "-o", stats, *OPTIONS)
    for chunk in ("1", "2", "100"):
        done = normcli(
            "transform", "--stats", stats, "--chunk-rows", chunk, *OPTIONS, stdin=MESSY.encode()
        )
        assert done.out == SCALED.encode()
        assert "2 rows with too many or too few cells kept" in done.err
    normcli("fit-transform", table, "-q", "-o", scaled, "-j", "2", *OPTIONS)
    assert scaled.read_bytes() == SCALED.encode()
    normcli("inverse", scaled, "-q", "--stats", stats, "-o", back, *OPTIONS)
    assert back.read_bytes() == MESSY.encode()
    check = normcli("check", table, "--stats", stats, *OPTIONS)
    assert check.code == 0


def test_every_part_has_what_is_around_the_rows(normcli, tmp_path):
    table, parts = tmp_path / "t.csv", tmp_path / "parts"
    head, rows = "title\na,b\n,oC\n", "".join(f"{i},{i % 7}\n" for i in range(2000))
    table.write_text(head + rows)
    options = ["--skip-rows", "1", "--skip-after-header", "1"]
    whole = normcli("fit-transform", table, "-q", *options).text
    normcli(
        "fit-transform", table, "-q", "--output-dir", parts, "--fragment-bytes", "3000", *options
    )
    texts = [path.read_text() for path in sorted(parts.iterdir())]
    assert len(texts) > 2
    assert all(text.startswith(head) for text in texts)
    assert head + "".join(text.removeprefix(head) for text in texts) == whole


def test_lines_that_a_format_has_no_place_for_are_told(normcli, tmp_path):
    done = normcli("fit-transform", "--skip-rows", "1", "--to", "jsonl", stdin=b"T\na\n1\n3\n")
    assert done.text == '{"a":-1.0}\n{"a":1.0}\n'
    assert "stdin: 1 line around the header left out: jsonl has no place for them" in done.err


def test_added_columns_have_names_and_units_and_fill_up_short_rows(normcli):
    given = [
        "--skip-rows",
        "1",
        "--skip-after-header",
        "1",
        "--suffix",
        "_z",
        "--on-bad-row",
        "keep",
    ]
    done = normcli("fit-transform", *given, stdin=b"T\na,b\nm,s\n1,2\n3\n5,4,\n")
    assert done.text == (
        "T\na,b,a_z,b_z\nm,s,,\n1,2,-1.224744871391589,-1.0\n3,,0.0,\n5,4,1.224744871391589,1.0,\n"
    )
    done = normcli("fit-transform", "--comment", "#", "--suffix", "_z", stdin=b"# x,y\n1,2\n3,4\n")
    assert done.text == "# x,y,x_z,y_z\n1,2,-1.0,-1.0\n3,4,1.0,1.0\n"


def test_what_is_taken_for_granted_is_told_once_and_not_with_quiet(normcli, tmp_path):
    for name in ("1.csv", "2.csv"):
        (tmp_path / name).write_text("a;b\n1;2\n3;4\n")
    stats, glob = tmp_path / "s.json", tmp_path / "?.csv"
    done = normcli("fit", glob, "-o", stats)
    assert done.err.count("the delimiter is taken to be ';'") == 1
    assert normcli("fit", glob, "-q", "-o", stats).err == ""
    assert "the delimiter is taken" in normcli("check", tmp_path / "1.csv", "--stats", stats).err


def test_where_no_column_holds_numbers_the_first_lines_tell_what_to_try(normcli):
    done = normcli("fit", stdin=b"x y\n1 2\n3  4\n")
    assert done.code == 1
    assert "With --delimiter space+, each of the first lines has 2 cells" in done.err
    done = normcli("fit", "--delimiter", "space+", stdin=b"x y\n1 2\n3  4\n")
    assert (done.code, '"y"' in done.text) == (0, True)


def test_where_the_line_after_the_header_hides_the_numbers_the_error_says_so(normcli):
    table = b"time,ch1\nsecond,Volt\n0.1,1\n0.2,3\n"
    done = normcli("fit", stdin=table)
    assert done.err.endswith(
        "If the line after the header holds units, add --skip-after-header 1; if it is the header, "
        "--skip-rows 1\n"
    )
    assert normcli("fit", "--skip-after-header", "1", stdin=table).code == 0
    done = normcli("fit", stdin=b'date,price\n2024-01-01,"1,234.50"\n')
    assert done.err.endswith("To read 'price' as numbers, add --thousands ,\n")
    done = normcli("fit", "--thousands", ",", stdin=b'date,price\n2024-01-01,"1,234.50"\n')
    assert (done.code, '"price"' in done.text) == (0, True)


def test_a_column_that_is_not_seen_with_this_delimiter_gets_the_hint_of_the_first_lines(normcli):
    table = b"Station 7;May\ntime;temp;wind\n0;11,5;3\n60;12,5;4\n"
    for options in (("fit", "-s", "temp"), ("fit-transform", "--exclude", "time")):
        done = normcli(*options, stdin=table)
        assert (done.code, done.err.splitlines()[1]) == (
            2,
            "With --delimiter ';' --skip-rows 1, each of the first lines has 3 cells",
        )
    done = normcli("fit", "-s", "temp", "--decimal", ",", "--skip-rows", "1", stdin=table)
    assert (done.code, '"mean": 12.0' in done.text) == (0, True)


def test_columns_without_names_and_cells_are_left_alone(normcli):
    done = normcli("fit", "-d", "|", stdin=b"| id | v |\n| 1 | 3.5 |\n| 2 | 4.5 |\n")
    assert (done.code, '" id "' in done.text, '""' in done.text) == (0, True, False)
    done = normcli("fit-transform", stdin=b"a;b;\n1;2;\n3;4;\n")
    assert done.text == "a;b;\n-1.0;-1.0;\n1.0;1.0;\n"
    assert "not scaled: '' (no name and no cells)" in done.err


def test_lines_that_are_in_quotes_as_a_whole_get_a_hint_that_works(normcli):
    table = b'"a,b"\n"1,2"\n"3,5"\n'
    done = normcli("fit", stdin=table)
    assert "Each line is in quotes as a whole; remove these: sed" in done.err
    command = done.err.rpartition("remove these: ")[2]
    bare = subprocess.run(command, shell=True, input=table, capture_output=True, check=True).stdout
    done = normcli("fit", stdin=bare)
    assert (done.code, '"mean": 3.5' in done.text) == (0, True)


def test_a_row_that_became_the_header_is_the_hint_where_no_column_is_known(normcli, tmp_path):
    stats, table = tmp_path / "s.json", b"7.4,0.7\n1,2\n3,5\n"
    normcli("fit", "--no-header", "-q", "-o", stats, stdin=table)
    done = normcli("transform", "--stats", stats, stdin=table)
    assert done.err.endswith("If line 1 is a row, not the header, add --no-header\n")
    assert normcli("transform", "--no-header", "--stats", stats, stdin=table).code == 0


def test_files_are_read_with_the_same_options_from_python(tmp_path):
    path, out, back = (tmp_path / name for name in ("t.csv", "z.csv", "b.csv"))
    path.write_text("T;1\nx;y\nm;s\n1;a\n3\n")
    read = {"skip_rows": 1, "skip_after_header": 1, "delimiter": ";"}
    statistics = normcli_api.fit(path, on_bad_row="keep", read=read)
    assert list(statistics.columns) == ["x"]
    statistics.transform(path, out, on_bad_row="keep", read=read)
    assert out.read_text() == "T;1\nx;y\nm;s\n-1.0;a\n1.0\n"
    statistics.inverse(out, back, on_bad_row="keep", read=read)
    assert back.read_text() == path.read_text()
    with pytest.warns(UserWarning, match="2 lines around the header left out: parquet"):
        statistics.transform(path, tmp_path / "z.parquet", on_bad_row="keep", read=read)
    path.write_text("1,10\n2,20\n")
    with pytest.warns(UserWarning, match="if it is a row, add --no-header"):
        normcli_api.fit(path)
    for wrong in ({"delimitre": ";"}, {"skip_rows": "1"}):
        with pytest.raises(UsageError, match="read: "):
            normcli_api.fit(path, read=wrong)
    with pytest.raises(UsageError, match="--delimiter is an option of csv and tsv"):
        statistics.transform(tmp_path / "z.parquet", out, read={"delimiter": ";"})
