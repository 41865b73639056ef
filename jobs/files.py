"""Files that senders leave in folders."""

from __future__ import annotations

from hub.errors import NotSupported
from jobs.context import RunningJob


def take(job: RunningJob) -> None:
    """Take in the files of every connection that has a folder, each moved once it is stored."""
    if job.context.take_files is None:
        raise NotSupported("This process takes no files in.", feature="files")
    job.context.take_files(job.check)
