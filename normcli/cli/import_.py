"""``normcli import``."""

from __future__ import annotations

import click

from normcli.cli import options as opt
from normcli.cli.command import Command, Number, argument, entry, group


@click.command("import", cls=Command)
@argument("file", "FILE", "The file of the other program, or - for stdin.")
@group(
    "Columns",
    entry(
        "--columns NAMES",
        "Names of the columns in the order of the file, with commas, as in the first line of a "
        "CSV; of a file that has names itself, those that are wanted.",
    ),
    entry("--prefix NAME", "The layer of a network: what comes before .running_mean."),
    entry(
        "--eps NUMBER",
        "What the layer adds to the variance.  [default: 1e-05 for PyTorch, 0.001 for Keras]",
        type=Number(),
    ),
)
@opt.output_file("-, stdout")
@opt.report_options
def command(
    file: str,
    columns: str | None,
    prefix: str | None,
    eps: float | None,
    output: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Bring the numbers of another program into a file of statistics, for --stats.

    \b
    normcli import model.safetensors --prefix bn1 --columns age,pay -o s.json
    normcli import scaler.skops -o s.json
    normcli import numbers.csv -o s.json    # column,mean,std or column,min,max

    Reads layers of batch normalization in safetensors, .npz, .npy and JSON, with the conventions
    of PyTorch and Keras; StandardScaler, MinMaxScaler and MaxAbsScaler of scikit-learn in skops
    files; range files of svm-scale; and mean, std, var, min, max, gamma and beta in CSV or JSON.
    Pickles and joblib files are refused, because they can run anything; the error has the line
    that converts them. The numbers are marked as given: they were not computed from a table here.
    """
    from normcli.bridges.base import Wanted
    from normcli.bridges.files import imported, naming
    from normcli.sidecar.write import dumps
    from normcli.storage import outputs
    from normcli.storage.sources import source
    from normcli.views import report
    from normcli.words import many, name

    opened, target = source(file), output or "-"
    with naming(opened):
        wanted = Wanted(_names_in(columns), prefix, eps)
        found = imported(opened, wanted)
        known = found.statistics(wanted.columns)
    with outputs.output(target, inputs=[opened]) as stream:
        stream.write(dumps(known))
    if not quiet:
        told = [f"imported {many(len(known.columns), 'column')} of {found.what}", *found.notes]
        saved = [f"saved in {name(target)}"] if target != "-" else []
        report.say([*report.table(known, verbose=verbose), *told, *saved])


def _names_in(columns: str | None) -> list[str]:
    """The names in a line of a CSV file: quotes are for names with commas."""
    import csv

    if columns is None:
        return []
    return [name.strip() for line in csv.reader([columns]) for name in line]
