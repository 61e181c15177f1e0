"""``normcli``: one place turns errors into exit codes."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import resource
import signal
import sys

from normcli.signals import unwind_on_signals

LEAST_MEMORY = 320 << 20  # bytes of address space, for Python, NumPy and Arrow
TOO_LITTLE = "normcli: not enough memory: raise the limit (ulimit -v) to 400 MB or more"
# What the loader of libraries says then.
UNMAPPED = re.compile("failed to map|annot allocate memory|memory protection")


def main() -> None:
    """Run the command line and exit: 0 success, 1 data or I/O error, 2 usage, 3 `check` failed."""
    unwind_on_signals()
    with contextlib.suppress(OSError):
        _replace_closed_streams()
    # OpenBLAS would start a thread a core while it is loaded; no product here needs them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.meta_path.insert(0, _WithoutPandas())
    # Modules are not garbage. Looking for garbage while they are imported, and taking them apart
    # one by one at the end, takes 30 ms.
    gc.set_threshold(10_000)
    code = 1 if _lacks_memory(sys.argv[1:]) else run(sys.argv[1:])
    gc.freeze()
    # After a Ctrl-C while Python executes a text, as it does to make a dataclass, `python -m`
    # would end by killing itself, whatever the exit code.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    sys.exit(code)


class _WithoutPandas:
    """An import hook: Arrow would import pandas with its first array, and no command needs it."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse pandas; leave all else to the other finders."""
        if name == "pandas":
            raise ModuleNotFoundError("normcli's commands do without pandas", name=name)


def run(arguments: list[str]) -> int:
    """Run one command, and return the exit code."""
    import click

    from normcli.cli import normcli
    from normcli.errors import NormcliError

    try:
        if "_NORMCLI_COMPLETE" in os.environ:
            from normcli.cli import completion  # noqa: F401  # adds what click's for bash lacks

            normcli.main(arguments, prog_name="normcli")  # answers the shell, and exits
        with normcli.make_context("normcli", arguments) as context:
            result = normcli.invoke(context)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except NormcliError as error:
        _say(f"normcli: {error}")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("\nnormcli: interrupted")  # a terminal has shown ^C
        return 130
    except BrokenPipeError:  # the reader of our output has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes stdout at its end
        return 0
    except OSError as error:  # ours name the file: this is click, which prints --help
        _say(f"normcli: {error.strerror or error}")
        return 1
    except MemoryError:
        _say("normcli: not enough memory; try smaller chunks, with --chunk-rows")
        return 1
    except Exception as error:
        if isinstance(error, ImportError) and UNMAPPED.search(str(error)):
            _say(TOO_LITTLE)
            sys.stderr.flush()
            os._exit(1)  # libraries that are loaded in part may crash at the usual end
        if "NORMCLI_TRACEBACK" in os.environ:
            raise
        _say(
            f"normcli: this is a bug in normcli: {type(error).__name__}: {error!s:.200}\n"
            "Please report it with your command; NORMCLI_TRACEBACK=1 shows where it happened"
        )
        return 1
    return result if isinstance(result, int) else 0


def _lacks_memory(arguments: list[str]) -> bool:
    """Refuse a limit of memory under which libraries do not start, but abort the process."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    needs = not {"-h", "--help", "--version"} & set(arguments)
    if not needs or limit in (-1, resource.RLIM_INFINITY) or limit >= LEAST_MEMORY:
        return False
    _say(TOO_LITTLE)
    return True


def _replace_closed_streams() -> None:
    """Keep the next file that is opened from becoming stdout or stderr, where that is closed.

    `output` still refuses a stdout that was closed: ``sys.__stdout__`` tells.
    """
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
            setattr(sys, name, open(descriptor, "w"))  # noqa: SIM115  # as long as the process


def _say(message: str) -> None:
    """Print to stderr; no line ends with a full stop, even if it has several sentences."""
    from normcli.views.report import say

    say(line.removesuffix(".") for line in message.splitlines())


if __name__ == "__main__":
    main()
