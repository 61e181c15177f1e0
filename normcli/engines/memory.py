"""Memory allocation of this process: freed memory is kept for the next chunk."""

from __future__ import annotations

from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_KEPT = 64 << 20  # bytes; no array of a chunk is larger


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory; without glibc, do nothing.

    Every chunk needs arrays of a few MB. By default glibc returns such memory to the system and
    requests it again, and the system fills each page with zeros when it is first used, which is
    a third of the time of a worker. Keeping the memory costs no more than the largest chunk
    did. Only for programs: a library should not change how its process uses memory.
    """
    import ctypes

    with suppress(OSError, AttributeError):  # there is no such library, or it has no mallopt
        libc = ctypes.CDLL(None)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_MMAP_THRESHOLD, _KEPT)
