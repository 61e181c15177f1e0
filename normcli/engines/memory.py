"""How this process gets its memory: what is freed is kept for the next chunk."""

from __future__ import annotations

from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_KEPT = 64 << 20  # bytes; no array of a chunk is larger


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed; elsewhere nothing happens.

    Chunk after chunk needs arrays of some MB. By default glibc gives such memory back to the
    system and asks for it again, and the system fills each page with zeros when it is first
    touched: a third of the time of a worker. Keeping it costs no more than the largest chunk
    did. For programs only: a library leaves the memory of its process alone.
    """
    import ctypes

    with suppress(OSError, AttributeError):  # no such library, or none that has it
        libc = ctypes.CDLL(None)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_MMAP_THRESHOLD, _KEPT)
