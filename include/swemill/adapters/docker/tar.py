"""Files in memory as a tar: the form in which an engine takes them, for a build or for a running container."""

import io
import tarfile
from collections.abc import Mapping


def tar_of(files: Mapping[str, bytes], *, modified: int, owner: int = 0) -> bytes:
    """A tar of regular files by relative path, in order of their paths; equal arguments give equal bytes.

    ``modified`` is the time of all of them, in seconds since 1970, ``owner`` their user and group.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.mtime = len(data), 0o644, modified
            info.uid = info.gid = owner
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
