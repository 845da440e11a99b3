"""Durable work: processes that survive every crash. The only package that knows the workflow engine.

Workflows are written in `workflow`, `step`, `submit`, `submit_many`, `undo`, `finish` and `skip`; handlers use
`enqueue`, `wait_until_resting`, `resume` and `cancel`; a `Worker` carries out.
"""

from gateway.durable.decisions import cancel, resume
from gateway.durable.engine import Engine
from gateway.durable.moments import MOMENTS, Moments, undisturbed
from gateway.durable.process import enqueue, wait_until_resting
from gateway.durable.readiness import Readiness
from gateway.durable.run import Leave, process_id
from gateway.durable.schedules import Schedule
from gateway.durable.settings import DurableSettings
from gateway.durable.verbs import Batch, corrections, decided, finish, skip, step, submit, submit_many, undo
from gateway.durable.worker import Worker
from gateway.durable.worker_lease import LeaseLost
from gateway.durable.worker_lock import AnotherWorker
from gateway.durable.workflow import Workflow, Workflows, workflow
from gateway.store.pages import Listed, Window
from gateway.store.process_steps import ProcessStep, StepState
from gateway.store.process_steps import list_all as list_steps
from gateway.store.processes import Process, State
from gateway.store.processes import find as find_process
from gateway.store.processes import get as get_process
from gateway.store.processes import list_all as list_processes

__all__ = [
    "MOMENTS",
    "AnotherWorker",
    "Batch",
    "DurableSettings",
    "Engine",
    "LeaseLost",
    "Leave",
    "Listed",
    "Moments",
    "Process",
    "ProcessStep",
    "Readiness",
    "Schedule",
    "State",
    "StepState",
    "Window",
    "Worker",
    "Workflow",
    "Workflows",
    "cancel",
    "corrections",
    "decided",
    "enqueue",
    "find_process",
    "finish",
    "get_process",
    "list_processes",
    "list_steps",
    "process_id",
    "resume",
    "skip",
    "step",
    "submit",
    "submit_many",
    "undisturbed",
    "undo",
    "wait_until_resting",
    "workflow",
]
