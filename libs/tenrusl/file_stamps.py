"""Telling that a file has changed, without reading it."""

from pathlib import Path

Stamp = tuple[int, int, int]


def stamp_of(path: Path) -> Stamp | None:
    """Another value after the file was written, replaced or given other rights; None when it is not there.

    Through links: Kubernetes replaces mounted files by moving a symbolic link.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ctime_ns, status.st_ino, status.st_size)
