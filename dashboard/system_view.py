"""Rows of the System page, without Streamlit."""

from sarcopenia.domain.results import ModelIdentity
from sarcopenia.inference.port import ModelHealth
from sarcopenia.records import JobStatus


def health_rows(health: tuple[ModelHealth, ...]) -> list[dict[str, object]]:
    """One row per model: does it answer, how fast, what waits."""
    return [
        {
            "Model": each.name,
            "Version": each.version,
            "State": "answers" if each.healthy else "does not answer",
            "Latency (ms)": None if each.latency_ms is None else round(each.latency_ms),
            "Queue": each.pending_requests,
            "Message": each.message,
        }
        for each in health
    ]


def weight_rows(identities: tuple[ModelIdentity, ...]) -> list[dict[str, str]]:
    """One row per model: precision, backend and the hash of the weights."""
    return [
        {
            "Model": m.name,
            "Version": m.version,
            "Precision": m.precision,
            "Backend": m.backend,
            "ONNX SHA-256": m.onnx_sha256,
        }
        for m in identities
    ]


def job_rows(jobs: tuple[JobStatus, ...]) -> list[dict[str, object]]:
    """One row per job, the newest first."""
    return [
        {
            "Job": job.job_id,
            "State": job.state.value,
            "Stage": "" if job.stage is None else job.stage.text,
            "Attempt": job.attempt,
            "Message": job.note if job.failure is None else f"{job.failure.title}. {job.failure.message}",
            "Created (UTC)": f"{job.created_at:%Y-%m-%d %H:%M:%S}",
        }
        for job in jobs
    ]
