"""Words that people are shown for statuses, steps and events."""

from processor.domain.jobs import Step
from processor.domain.status import Status
from processor.domain.timeline import Milestone

STATUSES = {
    Status.PENDING: "waiting",
    Status.IN_PROGRESS: "in progress",
    Status.COMPLETED: "delivered",
    Status.FAILED: "failed",
}
STEPS = {
    Step.CHECKSUM_CALCULATION: "hashing",
    Step.TYPE_DETECTION: "detecting the type",
    Step.ARCHIVE_EXTRACTION: "extracting",
    Step.PARQUET_CONVERSION: "converting",
    Step.STREAMING: "uploading",
    Step.INTEGRITY_VERIFICATION: "verifying",
    Step.PROGRESS_UPDATE: "recording",
}
EVENTS = {
    Milestone.SEEN: "seen",
    Milestone.WHOLE: "complete, no longer written to",
    Milestone.BEGUN: "begun",
    Milestone.HASHED: "hashed",
    Milestone.CONVERTED: "converted",
    Milestone.STORED: "stored and verified",
    Milestone.MANIFEST: "manifest written",
    "retry": "failed, tried again later",
    "failed": "failed",
    "retry-requested": "retry asked for",
}


def status_word(status: str) -> str:
    """Return the word for a status."""
    return STATUSES[Status(status)]


def step_word(step: str) -> str:
    """Return the word for a step; one that is not known stands for itself."""
    return STEPS.get(Step(step), step) if step in set(Step) else step.replace("_", " ")


def event_word(event: str) -> str:
    """Return the words for what happened to a file."""
    return EVENTS.get(event, event.replace("-", " "))
