"""``normcli import``: files of PyTorch, Keras, scikit-learn and svm-scale, and numbers by hand.

`python -m tools.import_files` made the files in tests/imports, and what their libraries compute.
"""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from normcli import BatchNorm, UsageError
from tests.conftest import Cli

FILES = Path(__file__).parent / "imports"
EXPECTED = json.loads((FILES / "expected.json").read_text())
ABC = ["a", "b", "c"]


def applied(normcli: Cli, tmp_path: Path, name: str, *arguments: object) -> np.ndarray:
    """What `transform` makes of the input of a file with what was imported from it."""
    stats, table = tmp_path / "s.json", tmp_path / "x.csv"
    done = normcli("import", *arguments, "-o", stats)
    assert done.code == 0, done.err
    pd.DataFrame(EXPECTED[name]["x"], columns=ABC).to_csv(table, index=False)
    done = normcli("transform", table, "-q", "--stats", stats)
    assert done.code == 0, done.err
    (tmp_path / "y.csv").write_bytes(done.out)
    return pd.read_csv(tmp_path / "y.csv").to_numpy()


def assert_near(found, name, tolerance):
    expected = np.array(EXPECTED[name]["y"])
    assert (np.abs(found - expected) <= tolerance * np.abs(expected).max(axis=0)).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 1e-6)])
def test_a_layer_of_pytorch_predicts_as_its_model_in_evaluation(
    normcli: Cli, tmp_path: Path, dtype: str, tolerance: float
) -> None:
    name = f"torch_{dtype}.safetensors"
    options = ("--prefix", "0", "--columns", "a,b,c")
    assert_near(applied(normcli, tmp_path, name, FILES / name, *options), name, tolerance)
    sidecar = json.loads((tmp_path / "s.json").read_text())
    assert sidecar["method"]["eps"] == 1e-5
    assert sidecar["columns"]["a"]["running"]["batches"] == 50
    assert set(sidecar["columns"]["a"]["given"]) == {"mean", "var"}


@pytest.mark.parametrize("options", [(), ("--running",), ("--mode", "predict")])
def test_prediction_needs_no_option_where_there_are_only_running_statistics(
    normcli: Cli, tmp_path: Path, options: tuple[str, ...]
) -> None:
    name = "torch_float64.safetensors"
    stats, table = tmp_path / "s.json", tmp_path / "x.csv"
    arguments = ("--prefix", "0", "--columns", "a,b,c", "-o", stats)
    assert normcli("import", FILES / name, *arguments).code == 0
    pd.DataFrame(EXPECTED[name]["x"], columns=ABC).to_csv(table, index=False)
    out = tmp_path / "y.csv"
    done = normcli("transform", table, "--stats", stats, "--method", "batch", *options, "-o", out)
    assert done.code == 0, done.err
    assert_near(pd.read_csv(out).to_numpy(), name, 1e-14)


@pytest.mark.parametrize("suffix", ["npz", "safetensors", "npy"])
def test_a_layer_of_keras_predicts_as_in_keras(normcli: Cli, tmp_path: Path, suffix: str) -> None:
    eps = ("--eps", "1e-3") if suffix == "npy" else ()
    file = FILES / f"keras.{suffix}"
    found = applied(normcli, tmp_path, "keras", file, "--columns", "a,b,c", *eps)
    assert_near(found, "keras", 1e-6)  # Keras has cast everything to float32
    assert json.loads((tmp_path / "s.json").read_text())["method"]["eps"] == 1e-3


def test_an_array_without_names_does_not_say_which_eps_it_needs(normcli: Cli) -> None:
    done = normcli("import", FILES / "keras.npy", "--columns", "a,b,c")
    assert done.code == 2
    assert "give --eps, 1e-5 in PyTorch and 1e-3 in Keras" in done.err


@pytest.mark.parametrize("form", ["arrays", "lists", "text"])
def test_json_of_a_layer_is_read_by_the_same_names(normcli: Cli, tmp_path: Path, form: str) -> None:
    layer = BatchNorm.from_file(FILES / "torch_float64.safetensors", prefix="0")
    state = {name: array.tolist() for name, array in layer.state_dict().items()}
    document: object = state if form != "lists" else list(state.values())[:4]
    file = tmp_path / "layer.json"
    file.write_text(json.dumps(document))
    options = ("--columns", "a,b,c", "--eps", "1e-5")
    name = "torch_float64.safetensors"
    assert_near(applied(normcli, tmp_path, name, file, *options), name, 1e-14)


def test_bfloat16_is_widened_without_error(normcli: Cli) -> None:
    file = FILES / "torch_bfloat16.safetensors"
    done = normcli("import", file, "--prefix", "0", "--columns", "a,b,c", "-q")
    columns = json.loads(done.out)["columns"]
    means = [columns[name]["given"]["mean"] for name in ABC]
    assert means == EXPECTED[file.name]["mean"]


@pytest.mark.parametrize("name", ["standard", "pipeline", "no_mean", "no_std", "minmax", "maxabs"])
def test_scalers_of_scikit_learn_transform_as_there(
    normcli: Cli, tmp_path: Path, name: str
) -> None:
    found = applied(normcli, tmp_path, name, FILES / f"{name}.skops")
    assert_near(found, name, 1e-14)
    columns = json.loads((tmp_path / "s.json").read_text())["columns"]
    assert list(columns) == ABC
    assert all("given" in column for column in columns.values())


def test_columns_choose_among_the_names_of_a_file(normcli: Cli) -> None:
    done = normcli("import", FILES / "standard.skops", "--columns", "c,a", "-q")
    assert list(json.loads(done.out)["columns"]) == ["c", "a"]


def test_columns_are_read_as_the_first_line_of_a_csv(normcli: Cli) -> None:
    names = '"a, b",x y,"say ""c"""'
    done = normcli("import", FILES / "no_names.skops", "--columns", names, "-q")
    assert list(json.loads(done.out)["columns"]) == ["a, b", "x y", 'say "c"']


RANGE = "x\n-1 1\n1 -3.5 10\n3 0 1\n"


def test_a_range_file_of_svm_scale_gives_its_results(normcli: Cli, tmp_path: Path) -> None:
    """lower + (upper - lower) * (x - min) / (max - min); feature 2 was constant."""
    file, stats, table = (tmp_path / name for name in ("range", "s.json", "x.csv"))
    for before in ("", "y\n0 1\n5 9\n"):
        file.write_text(before + RANGE)
        done = normcli("import", file, "--columns", "p,q,r", "-o", stats)
        assert done.code == 0, done.err
        table.write_text("p,q,r\n-3.5,7,0.25\n10,7,1\n3.25,7,2\n")
        done = normcli("transform", table, "-q", "--stats", stats)
        assert done.text == "p,q,r\n-1.0,7,-0.5\n1.0,7,1.0\n0.0,7,3.0\n"


FORMS = {
    "csv": "column,mean,std\nx,1,2\ny,5,4\n",
    "csv, any order": "std,column,mean\n2,x,1\n\n4,y,5\n",
    "objects": '{"x": {"mean": 1, "std": 2}, "y": {"mean": 5, "std": 4}}',
    "pandas": '{"mean": {"x": 1, "y": 5}, "std": {"x": 2, "y": 4}}',
    "records": '[{"column": "x", "mean": 1, "std": 2}, {"column": "y", "mean": 5, "std": 4}]',
    "arrays": '{"mean": [1, 5], "std": [2, 4]}',
    "lists": "[[1, 5], [2, 4]]",
    "variances": "column,mean,var\nx,1,4\ny,5,16\n",
}


@pytest.mark.parametrize("form", FORMS)
def test_numbers_by_hand_scale_the_columns(normcli: Cli, tmp_path: Path, form: str) -> None:
    stats = tmp_path / "s.json"
    options = ("--columns", "x,y") if form in ("arrays", "lists") else ()
    done = normcli("import", "-", *options, "-o", stats, stdin=FORMS[form].encode())
    assert done.code == 0, done.err
    done = normcli("transform", "-q", "--stats", stats, stdin=b"x,y\n3,1\n")
    assert done.text == "x,y\n1.0,-1.0\n"


def test_each_column_by_hand_has_the_method_that_its_numbers_suit(
    normcli: Cli, tmp_path: Path
) -> None:
    stats = tmp_path / "s.json"
    text = b"column,mean,std,min,max\nx,1,2,,\ny,,,0,10\nz,1,1,0,4\n"
    assert normcli("import", "-", "-o", stats, stdin=text).code == 0
    done = normcli("transform", "-q", "--stats", stats, stdin=b"x,y,z\n3,1,1\n")
    assert done.text == "x,y,z\n1.0,0.1,0.0\n"
    done = normcli(
        "transform", "-q", "--stats", stats, "-s", "z", "--method", "minmax", stdin=b"z\n1\n"
    )
    assert done.text == "z\n0.25\n"


def test_gamma_and_beta_by_hand_make_a_layer(normcli: Cli, tmp_path: Path) -> None:
    stats = tmp_path / "s.json"
    text = b"column,mean,std,gamma,beta\nx,1,2,3,1\n"
    assert normcli("import", "-", "-o", stats, stdin=text).code == 0
    done = normcli("transform", "-q", "--stats", stats, "--eps", "1e-300", stdin=b"x\n3\n")
    assert done.text == "x\n4.0\n"


def test_what_was_imported_is_shown_inverted_and_merged_as_given(
    normcli: Cli, tmp_path: Path
) -> None:
    stats = tmp_path / "s.json"
    assert normcli("import", FILES / "standard.skops", "-o", stats).code == 0
    assert "given" in normcli("show", stats).text
    merged = normcli("merge", "-q", stats, stats)
    assert json.loads(merged.out) == json.loads(stats.read_text())
    scaled = normcli("transform", "-q", "--stats", stats, stdin=b"a,b,c\n1,2,3\n").out
    back = normcli("inverse", "-q", "--stats", stats, "--precision", "9", stdin=scaled)
    assert back.text == "a,b,c\n1.0,2.0,3.0\n"


def test_the_report_says_what_came_in(normcli: Cli, tmp_path: Path) -> None:
    stats = tmp_path / "s.json"
    done = normcli("import", FILES / "standard.skops", "-o", stats)
    assert done.err.splitlines()[-2:] == [
        "imported 3 columns of the StandardScaler",
        f"saved in {stats}",
    ]


def stored(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def zipped(members: dict[str, bytes]) -> bytes:
    import io

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def array(values: object, dtype: object = float) -> bytes:
    import io

    stream = io.BytesIO()
    np.save(stream, np.array(values, dtype))
    return stream.getvalue()


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
BAD = {
    "a.pkl": (b"\x80\x04\x95...", "a pickle, which can run anything, is not read"),
    "b.pkl": (b"cos\nsystem\n(S'echo'\ntR.", "skops.io.dump(joblib.load("),
    "c.pt": (zipped({"c/data.pkl": b""}), "a pickle of PyTorch"),
    "d.pth": (b"\x80\x02", "save_file(torch.load("),
    "e.keras": (zipped({"model.weights.h5": b"", "config.json": b""}), "a model of Keras"),
    "f.h5": (b"\x89HDF\r\n", "keras.models.load_model("),
    "g.npy": (array([1, None], object), "holds Python objects, which only unpickling could read"),
    "h.npz": (zipped({"mean.npy": array([1]), "std.npy": array([None], object)}), "Python objects"),
    "i.npz": (zipped({"mean.npy": array([1, 2]), "std.npy": array([1])}), "different lengths"),
    "j.npz": (zipped({"mean.npy": array([[1, 2], [3, 4]]), "std.npy": array([1])}), "has shape"),
    "k.npy": (array([1, 2]), "does not say what it is"),
    "l.npy": (array([1, 2])[:-3], "which is not its shape"),
    "mm.npy": (array([1, 2]).replace(b"(2,)", b"(2(("), "is not a valid .npy file"),
    "m.npy": (b"\x93NUMPY\x09\x00", "is not a valid .npy file"),
    "n.npz": (zipped({"mean.npy": b"no"}), "no layer of batch normalization"),
    "o.zip": (zipped({"a.txt": b""}), "it is a zip file, but neither .npz nor skops"),
    "p.zip": (b"PK\x03\x04 broken", "it is a damaged zip file"),
    "q.safetensors": (safetensors(b"{broken"), "header of the safetensors file is not valid"),
    "r.safetensors": (safetensors({"x": 3}), "header of the safetensors file is not valid"),
    "s.safetensors": (
        safetensors({"running_mean": F32, "running_var": F32}),
        "outside of the safetensors file",
    ),
    "t.safetensors": (
        safetensors({"running_mean": {**F32, "shape": [9]}, "running_var": F32}, b"1234"),
        "which is not its shape",
    ),
    "u.safetensors": (
        safetensors({"running_mean": {**F32, "dtype": "F8_E4M3"}, "running_var": F32}, b"1234"),
        "of type 'F8_E4M3', which is not read",
    ),
    "v.safetensors": (safetensors({"bn.weight": F32}, b"1234"), "no layer of batch normalization"),
    "w.skops": (zipped({"schema.json": b"{}"}), "not complete, or of a version that is unknown"),
    "x.json": (b'{"normcli": 2}', "this is a sidecar already"),
    "y.json": (b'{"x": {"mean": 1, "sdt": 2}}', "Did you mean 'std'"),
    "z.json": (b'{"x": {"mean": "1", "std": 2}}', "mean is 1, not a number"),
    "aa.json": (b'{"x": {"mean": NaN, "std": 2}}', "not a finite number"),
    "ab.json": (b"[1, 2]", "has shape (), not one number for each column"),
    "ac.json": (b"[[1], [2], [3]]", "there are 3 lists: 2 are read"),
    "ad.json": (b'{"x": ', "it is not valid JSON"),
    "ae.json": (b"{}", "the JSON is neither"),
    "af.json": (b'{"x": {"mean": 1}}', "column 'x' has mean only"),
    "ag.json": (b"[" * 100_000, "it is not valid JSON"),
    "ah.csv": (b"column,mean,std\nx,1,0\n", "std is 0, but must be greater than 0"),
    "ai.csv": (b"column,mean,std\nx,1\n", "row 2 of the table has 2 cells, not 3"),
    "aj.csv": (b"column,mean,std\nx,1,oops\n", "std is 'oops', not a number"),
    "ak.csv": (b"column,mean,std\nx,1,2\nx,1,2\n", "the column 'x' is named twice"),
    "al.csv": (b"column,min,max\nx,2,1\n", "the min is greater than the max"),
    "am.csv": (b"column,mean,var\nx,2,-1\n", "the variance is negative"),
    "an.csv": (b"id,x\n1,2\n", "import does not read such a file"),
    "ao.csv": (b"", "import does not read such a file"),
    "ap.csv": (b"column,mean,std\n", "has no numbers of a column"),
    "aq.bin": (b"\xff\xfe\x00\x01", "import does not read such a file"),
    "ar": (b"x\n-1 1\n1 2\n", "line 3 of the range file must have 3 numbers"),
    "as": (b"x\n-1 1\n0 2 3\n", "0 is not the number of a new feature"),
    "at": (b"y\n-1 1\n", "no line x"),
    "au": (b"x\n", "line 2 of the range file must have 2 numbers"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    normcli: Cli, tmp_path: Path, name: str
) -> None:
    data, words = BAD[name]
    path, target = stored(tmp_path, name, data), stored(tmp_path, "s.json", b"old")
    done = (
        normcli("import", path, "-o", target, "--eps", "1")
        if name == "none"
        else normcli("import", path, "-o", target)
    )
    assert done.code in (1, 2), done.err
    assert words in done.err
    assert f"{path}: " in done.err
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("torch_float64.safetensors", [], "several layers. There are '0', '3'. Choose one with"),
        ("torch_float64.safetensors", ["--prefix", "4"], "no layer with the prefix '4'"),
        ("torch_float64.safetensors", ["--prefix", "0"], "give them in its order with --columns"),
        (
            "torch_float64.safetensors",
            ["--prefix", "0", "--columns", "a,b"],
            "has 3 columns, and --columns has 2 names",
        ),
        ("keras.npz", ["--columns", "a,b,a"], "the column 'a' is named twice"),
        ("keras.npz", ["--columns", "a,,c"], "the name of a column is empty"),
        ("keras.npz", ["--columns", "a,b,c", "--eps", "0"], "--eps must be greater than 0"),
        ("keras.npz", ["--columns", "a,b,c", "--eps", "x"], "--eps must be a number"),
        ("standard.skops", ["--prefix", "0"], "--prefix and --eps are for layers of networks"),
        ("standard.skops", ["--columns", "a,d"], "no column 'd'"),
        ("robust.skops", [], "holds a 'RobustScaler': StandardScaler, MinMaxScaler"),
        ("not_fitted.skops", [], "was it fitted before it was saved?"),
        ("no_names.skops", [], "no names for its 3 columns"),
        ("scaler.joblib", [], "joblib.load("),
        ("absent", [], "no such file"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(
    normcli: Cli, file: str, options: list[str], words: str
) -> None:
    done = normcli("import", FILES / file, *options)
    assert done.code in (1, 2)
    assert done.out == b""
    assert words in done.err


def test_a_compressed_array_that_would_fill_memory_is_refused(normcli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mean.npy", bytes(80 << 20))
        archive.writestr("std.npy", array([1]))
    done = normcli("import", path, "--columns", "a")
    assert done.code == 1
    assert "has more than 67108864 bytes" in done.err


# -- layers in Python --------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["torch_float64.safetensors", "keras.npz"])
def test_a_layer_is_read_from_files_of_other_libraries(file: str) -> None:
    prefix = "0" if "torch" in file else None
    layer = BatchNorm.from_file(FILES / file, ABC, prefix=prefix)
    expected = EXPECTED[file if "torch" in file else "keras"]
    found = layer.forward(np.array(expected["x"]), training=False)
    assert found == pytest.approx(np.array(expected["y"]), rel=1e-12 if "torch" in file else 1e-5)
    assert layer.columns == tuple(ABC)
    assert (layer.eps, layer.momentum) == ((1e-5, 0.1) if "torch" in file else (1e-3, 0.01))


def test_a_layer_goes_to_safetensors_and_back(tmp_path: Path) -> None:
    layer = BatchNorm.from_file(FILES / "torch_float64.safetensors", prefix="0")
    path = tmp_path / "layer.safetensors"
    layer.to_safetensors(path, "bn1")
    again = BatchNorm.from_file(path, prefix="bn1")
    for name, values in layer.state_dict().items():
        assert (again.state_dict()[name] == values).all()
    header = json.loads(path.read_bytes()[8:].split(b"}}")[0] + b"}}")
    original = (FILES / "torch_float64.safetensors").read_bytes()[8:].split(b"}}")[0] + b"}}"
    theirs = {n: e["dtype"] for n, e in json.loads(original).items() if n.startswith("0.")}
    assert {n.replace("bn1", "0"): e["dtype"] for n, e in header.items()} == theirs


def test_a_file_without_a_layer_is_refused() -> None:
    with pytest.raises(UsageError, match="several layers"):
        BatchNorm.from_file(FILES / "torch_float64.safetensors")
