"""The spelling of names, numbers and counts in messages and tables."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal


def printable(text: str, limit: int = 60) -> str:
    r"""`text` quoted for a message: control characters escaped, long text cut.

    >>> printable("a\x1b[31m")
    "'a\\x1b[31m'"
    """
    shown = repr(text if len(text) <= limit else text[: limit - 1] + "…")
    return shown if shown.isprintable() else ascii(text[:limit])


def shown(name: str) -> str:
    """`name` of a file for a message: quoted if it contains control characters."""
    return name if name and name.isprintable() else printable(name, limit=200)


# What people know from other programs -> what may be meant, of which the first that exists is.
# A word that has arguments is suggested with them: "method zscore".
FAMILIAR = {
    each: meant.split(", ")
    for words, meant in {
        "sep separator delim fieldseparator fs": "delimiter",
        "columns cols col column fields features usecols include vars": "select",
        "drop ignore skip omit dropcolumns except": "exclude",
        "groupby group groups key keys partitionby": "by",
        "na navalues nan nanvalues missingvalues nullvalue nullvalues": "null",
        "impute fillna fill fillvalue imputer": "missing",
        "noheaders headerless": "no-header",
        "skiprows skiplines": "skip-rows",
        "out outfile outputfile": "output",
        "outdir outputdirectory": "output-dir",
        "format inputformat informat": "from",
        "outputformat outformat": "to",
        "threads workers njobs processes cores parallel cpus": "jobs",
        "chunksize chunk blocksize": "chunk-rows",
        "batch": "batch-size",
        "statistics stat params model sidecar": "stats",
        "save savestatistics": "save-stats",
        "scaler scaling scale norm normalization": "method",
        "featurerange bounds": "range",
        "digits decimals round": "precision",
        "silent": "quiet",
        "dryrun plan": "explain",
        "thousand thousandssep": "thousands",
        "quotechar": "quote",
        "escapechar": "escape",
        "dof": "ddof",
        "epsilon": "eps",
        "affine": "gamma",
        "standard standardize standardise standardization standardscaler std znorm zscores": (
            "zscore, fit-transform, method zscore"
        ),
        "minmaxscaler minmaxscale rescale": "minmax, fit-transform, method minmax",
        "normalize normalise normalizer": "fit-transform, method",
        "batchnorm batchnormalization bn batchnorm1d": "batch, method batch",
        "maxabsscaler absmax": "maxabs, method maxabs",
        "robustscaler iqr median": "robust, method robust",
        "ln loge": "log, method log",
        "quantiletransformer": "quantile",
        "powertransformer": "yeojohnson, boxcox",
        "scaledata apply predict": "transform",
        "train": "fit",
        "fitandtransform": "fit-transform",
        "undo unscale inversetransform denormalize denormalise reverse restore": "inverse",
        "describe summary info print cat view": "show",
        "validate verify compare diff drift test": "check",
        "combine join concat union add": "merge",
        "list scalers": "methods",
        "json ndjson": "jsonl",
        "feather ipc": "arrow",
    }.items()
    for each in words.split()
}


def did_you_mean(name: str, names: Iterable[str], *, familiar: bool = False) -> str:
    """A sentence that suggests the one of `names` that is meant, or nothing.

    familiar: `name` may be a word of other programs.

    >>> did_you_mean("heigth", ["height", "weight"])
    " Did you mean 'height'?"
    >>> did_you_mean("--sep", ["--eps", "--delimiter"], familiar=True)
    " Did you mean '--delimiter'?"
    """
    found = {_plain(each): each for each in names}
    word = _plain(name)
    near = (_familiar(word, found) if familiar else "") or _nearest(word, found)
    return f" Did you mean {printable(near)}?" if near else ""


def _plain(name: str) -> str:
    """A name without what people do not remember: case, dashes, blanks."""
    return re.sub(r"[\s_-]", "", name).lower() or name


def _familiar(word: str, found: Mapping[str, str]) -> str:
    for meant in FAMILIAR.get(word, ()):
        first, _, rest = meant.partition(" ")
        if _plain(first) in found:
            return f"{found[_plain(first)]} {rest}".strip()
    return ""


def _nearest(word: str, found: Mapping[str, str]) -> str:
    """The name that is nearest, if few letters differ; names that count are different names."""
    import difflib  # for errors only

    for near in difflib.get_close_matches(word, found, n=5, cutoff=0.6):
        fewer = 0 if re.sub(r"\d", "", near) == re.sub(r"\d", "", word) else (len(word) + 1) // 4
        if near == word or _slips(word, near) <= min(fewer, 3):
            return found[near]
    return ""


def _slips(a: str, b: str) -> int:
    """How many letters were left out, added, replaced, or exchanged with their neighbour."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a):
        row = [i + 1]
        for j, y in enumerate(b):
            row.append(min(last[j + 1] + 1, row[j] + 1, last[j] + (x != y)))
            if i and j and x == b[j - 1] and y == a[i - 1]:
                row[-1] = min(row[-1], before[j - 1] + 1)
        before, last = last, row
    return last[-1]


def many(count: int, what: str) -> str:
    """A count with its noun, in the singular or plural.

    >>> many(1, "row"), many(12345, "row")
    ('1 row', '12 345 rows')
    """
    return f"{count} {what}" if count == 1 else f"{grouped(count)} {what}s"


def grouped(count: int) -> str:
    """A count with its digits in groups of three."""
    return f"{count:,}".replace(",", " ")


def listed(words: Sequence[str], most: int | None = 10) -> str:
    """The first `most` words (None: all), and how many more there are."""
    shown = ", ".join(words[:most])
    if most is None or len(words) <= most:
        return shown
    return f"{shown}, and {grouped(len(words) - most)} more"


def name(text: str) -> str:
    """A name as it is if it cannot be misread, else quoted."""
    return text if text.isprintable() and text.strip() == text != "" else printable(text)


def number(value: float | Decimal | None, spread: float | None = None) -> str:
    """A number with six digits; more if `spread` is relatively small, or the number is an integer.

    >>> number(42.387209302), number(1_000_000_001.5), number(1_000_000_001.5, spread=0.25)
    ('42.3872', '1e+09', '1000000001.5')
    >>> number(3_999_999), number(999_999.9)
    ('3999999', '1000000')
    """
    if value is None:
        return "-"
    digits = 6
    if value and spread:
        digits = 2 + math.floor(math.log10(abs(float(value)))) - math.floor(math.log10(spread))
    text = f"{value:.{min(max(digits, 6), 17)}g}"
    return f"{value:.0f}" if "e+" in text and abs(float(value)) < 1e9 else text


def percent(share: float) -> str:
    """A share as a percentage; 0% and 100% only where they are exact.

    >>> percent(0.0), percent(0.00001), percent(0.0345), percent(0.99999)
    ('0%', '<0.1%', '3.5%', '>99.9%')
    """
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def points(share: float) -> str:
    """The difference of two shares, in percentage points.

    >>> points(0.123), points(-0.02)
    ('+12.3 points', '-2 points')
    """
    sign = "-" if share < 0 else "+"
    return f"{sign}{percent(abs(share)).removesuffix('%')} points"


def short(value: object, length: int = 60) -> str:
    """A value for a message, cut where it is long."""
    text = str(value)
    return text if len(text) <= length else f"{text[: length - 1]}…"
