"""Uploads: bytes go to the blob store first, then one transaction names them and queues their job."""

import hashlib
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import NotReadableError, RecordNotFoundError
from sarcopenia.records.job_views import ACTIVE_STATES, UploadReceipt
from sarcopenia.records.jobs import new_job
from sarcopenia.records.schema import JobRow, UploadFileRow, UploadRow
from sarcopenia.records.store import Store

NamedBlob = tuple[str, str]
"""Name of a file and the SHA-256 of its bytes."""


class Uploads:
    """Takes uploads and gives them back."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def submit(self, files: Sequence[tuple[str, bytes]], *, source: str) -> UploadReceipt:
        """Keep files (name, bytes) and queue their assessment; when this returns, nothing of it can be lost.

        The same files again, in any order, lead to the upload that is there: to its job while that is under way,
        else to a new job (which ends at once when neither the series nor the models have changed).

        Parameters
        ----------
        files: name (with relative path) and bytes.
        source: who or what gave them, for example "dashboard" or "demo".

        Raises
        ------
        NotReadableError: no file at all. RecordError: the store cannot be written.
        """
        if not files:
            raise NotReadableError("The upload holds no files.")
        named = [(name, self._store.blobs.put(content)) for name, content in files]
        content_sha256 = _content_sha256(named)
        with self._store.database.writing() as session:
            upload = session.scalar(select(UploadRow).where(UploadRow.content_sha256 == content_sha256))
            already_known = upload is not None
            if upload is None:
                upload = self._insert(session, named, content_sha256, source)
            job = _active_job(session, upload.id)
            if job is None:
                job = new_job(session, upload.id, f"upload:{content_sha256}", self._store.now())
            return UploadReceipt(job.id, upload.id, already_known)

    def measure_again(self, upload_id: int, *, author: str) -> UploadReceipt:
        """Queue the assessment of a stored upload with the models that are served now.

        A job under way is left to go on. Raises `RecordNotFoundError`: no such upload.
        """
        with self._store.database.writing() as session:
            upload = session.get(UploadRow, upload_id)
            if upload is None:
                raise RecordNotFoundError(f"There is no upload {upload_id}.")
            job = _active_job(session, upload_id)
            if job is None:
                job = new_job(session, upload_id, f"upload:{upload.content_sha256}", self._store.now())
            self._store.audit(session, author, "upload.measured_again", f"upload:{upload_id}", job=job.id)
            return UploadReceipt(job.id, upload_id, already_known=True)

    def read(self, upload_id: int) -> tuple[tuple[str, bytes], ...]:
        """Name and bytes of every file, in the order given; raises `RecordNotFoundError`."""
        query = select(UploadFileRow).where(UploadFileRow.upload_id == upload_id).order_by(UploadFileRow.position)
        with self._store.database.reading() as session:
            named = [(row.name, row.blob_sha256) for row in session.scalars(query)]
        if not named:
            raise RecordNotFoundError(f"There is no upload {upload_id}.")
        return tuple((name, self._store.blobs.get(digest)) for name, digest in named)

    def _insert(self, session: Session, named: Sequence[NamedBlob], content_sha256: str, source: str) -> UploadRow:
        upload = UploadRow(content_sha256=content_sha256, source=source, received_at=self._store.now())
        session.add(upload)
        session.flush()
        session.add_all(
            UploadFileRow(upload_id=upload.id, position=position, name=name, blob_sha256=digest)
            for position, (name, digest) in enumerate(named)
        )
        self._store.audit(session, source, "upload.received", f"upload:{upload.id}", files=len(named))
        return upload


def _content_sha256(named: Sequence[NamedBlob]) -> str:
    """Hash of names and bytes, whatever the order. Names count, since a .nii under a wrong name cannot be read."""
    lines = sorted(f"{digest} {name}" for name, digest in named)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _active_job(session: Session, upload_id: int) -> JobRow | None:
    query = select(JobRow).where(JobRow.upload_id == upload_id, JobRow.state.in_(ACTIVE_STATES))
    return session.scalar(query.order_by(JobRow.id.desc()).limit(1))
