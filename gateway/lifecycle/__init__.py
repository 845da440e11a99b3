"""The life of each contract version: who answers for it, where it stands, and that a released one has not changed."""

from gateway.lifecycle.course import Course, course_of
from gateway.lifecycle.document import LifecycleError, Version, load
from gateway.lifecycle.known import Known
from gateway.lifecycle.overlay import Changes, changed
from gateway.lifecycle.release import check
from gateway.lifecycle.stages import Stage, stage_of
from gateway.lifecycle.succession import living

__all__ = [
    "Changes",
    "Course",
    "Known",
    "LifecycleError",
    "Stage",
    "Version",
    "changed",
    "check",
    "course_of",
    "living",
    "load",
    "stage_of",
]
