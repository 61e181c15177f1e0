"""Examples that need more than the sample data run as they stand: a bucket, a cluster, a runner.

For the examples of help texts, and for commands within lines, there are files of all names that
they use. test_readme.py tests the console blocks.
"""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import normcli as library
from tests.cluster import scheduler, workers
from tests.conftest import Cli
from tests.s3_server import Store
from tools.reference import PAGE as REFERENCE
from tools.sessions import PAGES, ROOT, Shell, fenced

IN_HELP = re.compile(r"^  (?! )(.*normcli [a-z-]+ .*)$", re.MULTILINE)
IN_A_LINE = re.compile(r"`(normcli [a-z-]+\s[^<`]+)`")  # < as in an example of what is refused
FILE = re.compile(r"[\w*.-]+\.(?:csv\.gz|csv|parquet|json)\b")
SCHEDULER = "tcp://HOST:8786"
GOODS = pd.DataFrame({"good": ["tea", "rice", "salt"], "price": [3.5, 2.25, 0.75]})


def docs(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def examples() -> list[str]:
    """The commands of all help texts, and those that stand in a line of a page."""
    texts = [page.read_text() for page in PAGES if page != REFERENCE]
    inline = [each for text in texts for each in IN_A_LINE.findall(text)]
    return list(dict.fromkeys([*IN_HELP.findall(REFERENCE.read_text()), *inline]))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell where there is a file of every name that the examples have."""
    shell = Shell(tmp_path_factory.mktemp("examples"))
    shell.environment["HOME"] = str(shell.directory)
    (shell.directory / ".config/fish/completions").mkdir(parents=True)
    for name in FILE.findall("\n".join(examples())):
        for i in range(name.count("*") + 1):
            save(shell.directory / name.replace("*", str(i)))
    save_what_other_programs_make(shell.directory)
    return shell


def save(path: Path) -> None:
    if path.suffix == ".json":
        library.fit(GOODS).save(path)
    elif path.suffix == ".parquet":
        GOODS.to_parquet(path)
    else:
        GOODS.to_csv(path, index=False)


def save_what_other_programs_make(folder: Path) -> None:
    """The files of the examples of `import`, and of those of `learn`."""
    library.BatchNorm(2).to_safetensors(folder / "model.safetensors", "bn1")
    shutil.copy(ROOT / "tests" / "imports" / "standard.skops", folder / "scaler.skops")
    (folder / "numbers.csv").write_text("column,mean,std\nprice,2,1.5\n")
    (folder / "range").write_text("x\n-1 1\n1 0 5\n2 3 9\n")
    (folder / "gamma.json").write_text('{"price": 1.5}')
    GOODS.assign(species=["a", "b", "a"]).to_csv(folder / "train.csv", index=False)


@pytest.mark.parametrize("example", examples())
def test_an_example_of_one_line_does_its_work(
    example: str, shell: Shell, normcli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("jq", "zsh"):
        if program in example and shutil.which(program) is None:
            pytest.skip(f"the example uses {program}, which is not here")
    monkeypatch.chdir(shell.directory)
    if re.search("[|>$]", example):
        program = "zsh" if "zsh" in example else "bash"
        printed = shell.run(f"{program} -c {shlex.quote(example)}\necho exit code $?")
        assert printed.endswith("exit code 0\n"), printed
        assert not re.search("^normcli: |^drift$|null", printed, re.MULTILINE), printed
    else:
        assert normcli(*shlex.split(example, comments=True)[1:]).code == 0


def plain(script: str) -> Iterator[list[str]]:
    """The arguments of each normcli in a script that has nothing else."""
    for line in script.replace("\\\n", "").splitlines():
        program, *arguments = shlex.split(line)
        assert program == "normcli"
        yield arguments


def test_the_commands_with_objects_do_their_work(store: Store, normcli: Cli) -> None:
    for day in (1, 2):
        store.put(f"table/day={day}/part-0.parquet", GOODS.to_parquet())
    store.put("new.csv.gz", gzip.compress(GOODS.to_csv(index=False).encode()))
    store.client.create_bucket(Bucket="other")
    script, _ = fenced("sh").findall(docs("stores.md"))
    for arguments in plain(script):
        assert normcli(*arguments).code == 0
    scaled = store.client.get_object(Bucket="other", Key="new.csv")["Body"].read()
    assert scaled.startswith(b"good,price\ntea,1.1")


def test_the_rule_for_what_uploads_leave_is_one_that_a_bucket_takes(store: Store) -> None:
    """The words of the AWS command are those of its API, which boto3 has, too, and checks."""
    _, script = fenced("sh").findall(docs("stores.md"))
    command, options = shlex.split(script)[:3], shlex.split(script)[3:]
    assert command == ["aws", "s3api", "put-bucket-lifecycle-configuration"]
    given = dict(zip(options[::2], options[1::2], strict=True))
    bucket, rule = given["--bucket"], json.loads(given["--lifecycle-configuration"])
    store.client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rule)
    kept = store.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [each["AbortIncompleteMultipartUpload"] for each in kept] == [{"DaysAfterInitiation": 1}]


def test_the_commands_with_a_cluster_do_their_work(
    store: Store, normcli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="the extra normcli[dask] is not installed")
    for key in ("day=1/part-0.parquet", "day=2/part-0.parquet", "raw/0.parquet", "raw/1.parquet"):
        store.put(key, GOODS.to_parquet())
    monkeypatch.chdir(tmp_path)
    (script,) = fenced("sh").findall(docs("scaling.md"))
    with scheduler(tmp_path) as (address, _), workers(address, 1):
        for arguments in plain(script.replace(SCHEDULER, address)):
            assert normcli(*arguments).code == 0
    assert library.load("s.json").rows == 6
    assert store.keys()[-2:] == ["scaled/part-00000.parquet", "scaled/part-00001.parquet"]


def test_the_workflow_ends_with_the_exit_code_of_the_check(tmp_path: Path) -> None:
    """And has the keys that GitHub asks for; PyYAML takes ``on`` for true."""
    yaml = pytest.importorskip("yaml")
    (text,) = fenced("yaml").findall(docs("tutorial.md"))
    workflow = yaml.safe_load(text)
    assert workflow[True] == "push"
    ((_, job),) = workflow["jobs"].items()
    assert job["runs-on"]
    checkout, install, check = job["steps"]
    assert checkout["uses"].startswith("actions/checkout@")
    assert install["run"].startswith("pip install")

    shell = Shell(tmp_path)
    shell.environment["GITHUB_STEP_SUMMARY"] = "summary.md"
    library.fit(tmp_path / "sample_data/train.csv").save(tmp_path / "train.stats.json")
    for half, verdict, code in (("train", "ok", 0), ("test", "NO", 3)):
        shutil.copy(tmp_path / f"sample_data/{half}.csv", tmp_path / "new.csv")
        assert shell.run(f"{check['run']}\necho exit code $?") == f"exit code {code}\n"
        assert f"length\\_mm | {verdict} |" in (tmp_path / "summary.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "command", "small"),
    [
        ("scaling.md", "-m benchmarks.scaling", "--table tiny --rounds 1 --cache"),
        ("scaling.md", "-m benchmarks.stages", "--table tiny --rounds 1 --cache"),
        ("numerics.md", "-m benchmarks.cost", "1"),
        ("numerics.md", "benchmarks/accuracy.py", ""),
    ],
)
def test_a_table_is_made_by_the_command_that_its_page_names(
    page: str, command: str, small: str, tmp_path: Path
) -> None:
    for needed in ("distributed", "duckdb", "polars", "sklearn"):
        pytest.importorskip(needed, reason="the extra normcli[test] or [bench] is not installed")
    assert f"`python {command}`" in docs(page)
    arguments = [*command.split(), *small.split(), *([tmp_path] if "--cache" in small else [])]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    head = re.search(r"^\| \w+ \| ", done.stdout, re.MULTILINE)
    assert head
    assert f"\n{head[0]}" in docs(page)
