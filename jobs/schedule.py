"""What runs by the clock; each line fires once per tick, whichever process is up."""

from __future__ import annotations

from hub.domain.jobs import Job
from hub.storage.schedules import ScheduleSpec

SCHEDULES = (
    ScheduleSpec("eligibility.nightly", "0 3 * * *", "America/New_York", Job.PLAN_ELIGIBILITY),
    ScheduleSpec("pull.sync_all", "7 * * * *", "UTC", Job.SYNC_ALL),
    ScheduleSpec("savings.publish_benchmarks", "15 5 * * *", "UTC", Job.PUBLISH_BENCHMARKS),
    ScheduleSpec("metrics.publish", "45 5 * * *", "UTC", Job.PUBLISH_METRICS),
    ScheduleSpec("files.take", "* * * * *", "UTC", Job.TAKE_FILES),
    ScheduleSpec("maintenance.anchor_audit", "*/5 * * * *", "UTC", Job.ANCHOR_AUDIT),
    ScheduleSpec("maintenance.index_audit", "*/5 * * * *", "UTC", Job.INDEX_AUDIT),
    ScheduleSpec("maintenance.end_emergencies", "*/5 * * * *", "UTC", Job.END_EMERGENCIES),
    ScheduleSpec("maintenance.expire_messages", "50 4 * * *", "UTC", Job.EXPIRE_MESSAGES),
    ScheduleSpec("maintenance.prune", "30 4 * * *", "UTC", Job.PRUNE),
)
