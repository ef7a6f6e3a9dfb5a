"""The trail as its callers see it: append, read, ask, prove, verify.

One object per process and file; its methods may be called from any thread and block until they are done.
What `append` has returned is on the disk, in one total order, and no other way leads into the log.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from pev.errors import EventUnknown, InvalidInput, TrailCorrupt
from pev.events import Actor, Event, Kind, NewEvent
from pev.models import SERVER_STREAM, Digest, RepoId, RunId, StreamId, to_rfc3339
from pev.run import RunState
from pev.trail import blobs, erasure, log, projections, query, verify
from pev.trail.blobs import Blob
from pev.trail.database import BUSY_LIMIT_S, Database
from pev.trail.log import Stored
from pev.trail.merkle import TreeHead, consistency_path, inclusion_path, root_of
from pev.trail.query import ApprovalRecord, FindingRecord, RunPage, TrailPage, TrailQuery
from pev.trail.redact import Redactor
from pev.trail.stopping import Stop, never
from pev.trail.verify import Examined, VerifyReport
from pev.trail.watch import Step, Watch

__all__ = ["Trail", "TreeHead"]
_SAME_MOMENT_TRIES: Final = 5


class Trail:
    """The log of one state directory, and everything that is answered from it.

    Any method raises TrailUnavailable when the file cannot be used just now (locked, full, read-only,
    removed), and TrailCorrupt when its content contradicts itself.
    """

    def __init__(self, database: Database, redactor: Redactor) -> None:
        """Stand on an open database. Callers use `open`."""
        self._database = database
        self._redactor = redactor
        self._hears: Callable[[Sequence[Event]], None] | None = None

    @classmethod
    def open(cls, path: Path, *, redactor: Redactor | None = None, busy_s: float = BUSY_LIMIT_S) -> "Trail":
        """Open the trail at `path`, and make it and its folders (for the owner alone) if it is not there.

        `busy_s` is how long a call waits for other processes, in seconds. Raises TrailUnavailable for a
        network file system, a read-only or locked place, a file that is no trail, or one of a newer PEV.
        """
        trail = cls(Database(path, busy_s=busy_s), redactor or Redactor())
        try:
            trail._renew_projections()
        except BaseException:
            trail.close()
            raise
        return trail

    def close(self) -> None:
        """Let go of the file. Later calls raise TrailUnavailable."""
        self._database.close()

    def __enter__(self) -> Self:
        """Give the trail itself; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the trail."""
        self.close()

    @property
    def redactor(self) -> Redactor:
        """What takes secrets out before anything is stored; who hashes what is to be stored uses it first."""
        return self._redactor

    def listen(self, hear: Callable[[Sequence[Event]], None] | None) -> None:
        """Have `hear` told of what this object appends from now on, once it is durable; None ends that.

        It is called in the thread of the append and is waited for, so it only takes note, and never raises.
        """
        self._hears = hear

    def append(
        self, stream: StreamId, events: Sequence[NewEvent], *, expected_version: int | None
    ) -> list[Event]:
        """Put events at the end of the log and of their stream: all of them, durably, or none.

        `expected_version` is the stream's version that the caller acted on; None means any. Gives the events
        as they are stored. Raises VersionConflict if the stream has moved on, InvalidInput for a stream or
        payload that cannot be stored, and TrailCorrupt if the run cannot take an event.
        """
        log.check_stream(stream)
        drafts = [log.draft(event, self._redactor) for event in events]
        with self._database.writing() as connection:
            version = log.check_version(connection, stream, expected_version)
            stored = log.write(connection, stream, version, drafts)
            projector = projections.Projector(connection)
            for event in stored:
                projector.apply(event)
            projector.flush()
        if self._hears is not None:
            self._hears(stored)
        return stored

    def read(self, stream: StreamId, *, after_version: int = 0) -> list[Event]:
        """Give the events of a stream after a version, in order; of an unknown stream, none."""
        with self._database.reading() as connection:
            return log.read_stream(connection, stream, after_version)

    def event(self, seq: int) -> Event:
        """Give one event by its number in the log. Raises EventUnknown."""
        with self._database.reading() as connection:
            return log.read_event(connection, seq)

    def stored(self, seq: int) -> Stored:
        """Give one event as the bytes that are proven. Raises EventUnknown."""
        with self._database.reading() as connection:
            return log.read_stored(connection, seq)

    def version(self, stream: StreamId) -> int:
        """Give the version of a stream: the number of its events."""
        with self._database.reading() as connection:
            return log.version_of(connection, stream)

    def query(self, question: TrailQuery, *, tenant: str | None = None) -> TrailPage:
        """Answer one page of a question, to a `tenant` from its own runs alone.

        Raises InvalidInput for a cursor of another question.
        """
        with self._database.reading() as connection:
            return query.find_events(connection, question, tenant)

    def run_state(self, run_id: RunId) -> RunState:
        """Give the state of a run. Raises RunUnknown."""
        with self._database.reading() as connection:
            return projections.read_state(connection, run_id)

    def runs(
        self,
        *,
        repo: RepoId | None = None,
        open_only: bool = False,
        limit: int = 50,
        before: str | None = None,
        tenant: str | None = None,
        tolerant: bool = False,
    ) -> RunPage:
        """Give runs, the newest first, to a `tenant` its own.

        `before` is the cursor of an earlier page, `limit` 1 to 500. With `open_only`, those that have not
        been merged, closed or abandoned. Raises TrailCorrupt if the state of one cannot be read: `tolerant`
        names it among the `unreadable` of the page instead.
        """
        with self._database.reading() as connection:
            page = query.find_runs(
                connection, repo, open_only=open_only, limit=limit, before=before, tenant=tenant
            )
        if page.unreadable and not tolerant:
            raise projections.unreadable_state(page.unreadable[0])
        return page

    def findings(
        self,
        *,
        run: RunId | None = None,
        path: str | None = None,
        fingerprint: Digest | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> tuple[FindingRecord, ...]:
        """Give recorded findings, those of the newest event first; `before` is an event's number."""
        sides = {"run": run, "path": path, "fingerprint": fingerprint}
        with self._database.reading() as connection:
            return query.find_findings(connection, sides, limit=limit, before=before)

    def approvals(
        self,
        *,
        run: RunId | None = None,
        principal: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> tuple[ApprovalRecord, ...]:
        """Give decisions at boundaries, the newest first; `before` is an event's number."""
        sides = {"run": run, "principal": principal}
        with self._database.reading() as connection:
            return query.find_approvals(connection, sides, limit=limit, before=before)

    def erase(
        self, actor: Actor, reason: str, *, events: Sequence[int] = (), run: RunId | None = None
    ) -> Event:
        """Erase the payloads of single events, or of a run that is over; give the event that tells of it.

        Raises InvalidInput for what cannot be erased, EventUnknown and RunUnknown; and TrailUnavailable if it
        is erased from the log, but its bytes stay in a file while others read there.
        """
        with self._database.writing() as connection:
            if run is not None:
                told = erasure.erase_run(connection, run, actor, reason)
            else:
                told = erasure.erase_events(connection, events, actor, reason)
            drafts = [log.draft(told, self._redactor)]
            version = log.version_of(connection, SERVER_STREAM)
            (stored,) = log.write(connection, SERVER_STREAM, version, drafts)
            projections.Projector(connection).apply(stored)
        if self._hears is not None:
            self._hears([stored])
        self._database.forget()
        return stored

    def older_than(self, kind: Kind, at: datetime) -> list[int]:
        """Give the events of a kind before a time whose payload is there, at most 10,000."""
        with self._database.reading() as connection:
            return erasure.older_than(connection, kind, to_rfc3339(at))

    def put_blob(self, data: bytes, media_type: str) -> Digest:
        """Keep content of at most 256 MiB, and give the digest of what was stored.

        Secrets are taken out of text first, so the digest may differ from that of `data`. Equal content is
        stored once.
        """
        blob = blobs.prepare_blob(data, media_type, self._redactor)
        packed = blobs.pack(blob.data)
        with self._database.writing() as connection:
            blobs.write_blob(connection, blob, packed)
        return blob.digest

    def get_blob(self, digest: Digest) -> Blob:
        """Give content by its digest, checked. Raises BlobUnknown, or TrailCorrupt if it was changed."""
        with self._database.reading() as connection:
            return blobs.read_blob(connection, digest)

    def head(self, *, size: int | None = None) -> TreeHead:
        """Give size and root of the log, or of its first `size` events. Raises EventUnknown beyond that."""
        with self._database.reading() as connection:
            size = _within(size, log.size_of(connection))
            root = root_of(log.SqlNodes(connection), size)
        return TreeHead(size=size, root=Digest(root.hex()))

    def inclusion(self, seq: int, *, size: int | None = None) -> list[str]:
        """Give the audit path of event `seq` in the log, or in its first `size` events, as hex.

        `merkle.proves_inclusion` checks it. Raises EventUnknown if there is no such event.
        """
        with self._database.reading() as connection:
            size = _within(size, log.size_of(connection))
            if not 0 <= seq < size:
                raise EventUnknown(
                    f"event {seq} is not among the first {size}", hint="Ask for a larger size, or none."
                )
            return [step.hex() for step in inclusion_path(log.SqlNodes(connection), seq, size)]

    def consistency(self, old_size: int, new_size: int | None = None) -> list[str]:
        """Prove that the first `old_size` events are a prefix of the first `new_size`, or of all, as hex.

        `merkle.proves_consistency` checks it. Raises EventUnknown beyond the end of the log, and
        InvalidInput if `old_size` is the larger.
        """
        with self._database.reading() as connection:
            new = _within(new_size, log.size_of(connection))
            if not 0 <= old_size <= new:
                raise InvalidInput(
                    f"{old_size} events are no prefix of {new}", hint="Give the smaller size first."
                )
            return [step.hex() for step in consistency_path(log.SqlNodes(connection), old_size, new)]

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Give the hashes of the complete subtrees start..stop of a level of the tree.

        Raises TrailCorrupt if one is missing, also where the log does not reach so far.
        """
        with self._database.reading() as connection:
            return log.read_hashes(connection, level, start, stop)

    def envelopes(self, start: int, stop: int) -> list[bytes]:
        """Give the envelopes of the events start..stop: the leaves of the tree. Raises TrailCorrupt."""
        with self._database.reading() as connection:
            return log.read_envelopes(connection, start, stop)

    def verify(self, *, expected: TreeHead | None = None, stop: Stop = never) -> VerifyReport:
        """Examine the whole record and name what was done to it; time grows with the log.

        `expected` is a head kept outside of this file, for instance in a PR: only against one are a
        roll-back, a fork and a cut tail found. A damaged record is a report, not an exception. Raises Stopped
        a fraction of a second after `stop` says so.
        """
        return self.examine(expected=expected, stop=stop).report

    def examine(self, *, expected: TreeHead | None = None, stop: Stop = never) -> Examined:
        """Verify, and give beside the report what a `Watch` goes on from."""
        for _ in range(_SAME_MOMENT_TRIES):
            with self._database.reading() as connection, self._database.reading() as beside:
                if verify.same_moment(connection, beside):
                    return verify.verify_trail(connection, expected, beside, stop=stop)
        with self._database.reading() as connection:
            return verify.verify_trail(connection, expected, stop=stop)

    def step(self, watch: Watch, *, stop: Stop = never) -> Step:
        """Verify what is new since the last step. Raises TrailUnavailable if the file was replaced.

        Raises Stopped soon after `stop` says so; the watch is then as it was.
        """
        self._database.check_file()
        with self._database.reading() as connection:
            return watch.step(connection, stop=stop)

    def rebuild(self) -> int:
        """Make the projections anew from the log alone, and give the number of events read.

        Raises TrailCorrupt, and leaves them as they were, if the log cannot be folded.
        """
        with self._database.writing() as connection:
            return projections.rebuild(connection)

    def _renew_projections(self) -> None:
        """Make the projections anew if another PEV made them by other rules."""
        with self._database.reading() as connection:
            if projections.is_current(connection):
                return
        # a log that cannot be folded must still open: `verify` says what is wrong with it
        with suppress(TrailCorrupt), self._database.writing() as connection:
            if not projections.is_current(connection):  # another process may have been first
                projections.rebuild(connection)


def _within(size: int | None, whole: int) -> int:
    if size is None:
        return whole
    if not 0 <= size <= whole:
        raise EventUnknown(f"the trail has {whole} events, not {size}", hint="Ask for a smaller size.")
    return size
