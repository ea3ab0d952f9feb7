"""Says which user runs the servers, and where that user can have files.

PostgreSQL refuses to run as root. Root's servers run as `nobody`, who cannot reach into a home of root.
"""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER: Final = "nobody"
SHARED: Final = Path("/var/tmp")  # noqa: S108 - the folders in it have random names and belong to root
PREFIX: Final = "txmon-"
HOME: Final = "home"
"""The file in a folder under `SHARED` that names the home that it belongs to, written at each start."""
KEPT_SECONDS: Final = 24 * 3600


def process_user() -> dict[str, Any]:
    """Return the arguments of `subprocess` that let a process run as the servers' user."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam(OTHER)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def own_name() -> str:
    """Return the name of the user that runs this process."""
    return pwd.getpwuid(os.getuid()).pw_name


def give(path: Path, *, content: bool = True) -> None:
    """Give a file, or a folder with all its content, to the servers' user."""
    user = process_user()
    if user:
        for each in (path, *(path.rglob("*") if content else ())):
            os.chown(each, user["user"], user["group"], follow_symlinks=False)


def folder(link: Path) -> Path:
    """Return the folder of a home's servers: `link` itself, or, for root, the folder to which it leads.

    A folder that belongs to another home, of which this one is a copy, is not used.
    """
    if not process_user():
        link.mkdir(mode=0o700, exist_ok=True)
        return link.resolve()
    remove_abandoned()
    if link.is_symlink() and not (link.exists() and _belongs(link.resolve(), link.parent)):
        link.unlink()
    if not link.exists():
        made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=SHARED))
        made.chmod(0o711)  # its name is no secret to the servers' user, its content is in folders that are closed
        link.symlink_to(made)
    found = link.resolve()
    (found / HOME).write_text(str(link.parent.resolve()), "utf-8")
    return found


def _belongs(shared: Path, home: Path) -> bool:
    """Return whether a shared folder is that of a home, which may have been moved."""
    owner = Path((shared / HOME).read_text("utf-8"))
    return shared.parent == SHARED and (not owner.exists() or owner.samefile(home))


def remove_abandoned() -> None:
    """Remove root's folders whose home no longer exists, unless it was used lately: then it may have been moved."""
    for each in SHARED.glob(f"{PREFIX}*/{HOME}"):
        with suppress(OSError):
            is_own = each.parent.lstat().st_uid == os.getuid()
            is_old = each.stat().st_mtime < time.time() - KEPT_SECONDS
            if is_own and is_old and not Path(each.read_text("utf-8")).exists():
                stop_all(each.parent)
                shutil.rmtree(each.parent, ignore_errors=True)


def stop_home(link: Path) -> None:
    """Stop every server of a home that still runs."""
    if link.exists() and (not link.is_symlink() or _belongs(link.resolve(), link.parent)):
        stop_all(link.resolve())


def stop_all(servers: Path, seconds: float = 10) -> None:
    """Stop every process that works in a folder of servers: those whose host was killed."""
    left = [*working_in(servers)]
    for stop in (psutil.Process.terminate, psutil.Process.kill):
        for each in left:
            with suppress(psutil.Error):
                stop(each)
        _gone, left = psutil.wait_procs(left, timeout=seconds)
        if not left:
            break


@contextmanager
def suspended(servers: Path) -> Iterator[None]:
    """Suspend every process that works in a folder, the oldest first: those that are left start no other ones."""
    held: list[psutil.Process] = []
    try:
        while left := [each for each in working_in(servers) if each not in held]:
            for each in sorted(left, key=psutil.Process.create_time):
                with suppress(psutil.Error):
                    each.suspend()
                held.append(each)
        yield
    finally:
        for each in held:
            with suppress(psutil.Error):
                each.resume()


def working_in(servers: Path) -> list[psutil.Process]:
    """Return the processes that have their working directory in a folder."""
    found = psutil.process_iter(["cwd"])
    return [each for each in found if each.info["cwd"] and Path(each.info["cwd"]).is_relative_to(servers)]
