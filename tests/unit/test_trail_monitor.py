"""The standing of a record: what may be claimed at any time, and what was done to it since."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pev.events import Kind
from pev.models import Digest, RepoId, repo_stream
from pev.trail.faults import FaultKind
from pev.trail.keyring import Keyring
from pev.trail.merkle import TreeHead
from pev.trail.monitor import Anchor, Monitor, cosigned_head
from pev.trail.notary import Notary
from pev.trail.store import Trail
from pev.trail.witness import Witness
from support.tampering import cut, opened_raw, plant_tree, small_trail
from support.trail_events import event
from support.witness import LocalWitness, serving


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return small_trail(tmp_path)


@pytest.fixture
def trail(file: Path) -> Iterator[Trail]:
    with Trail.open(file) as one:
        yield one


def grow(trail: Trail, count: int = 3) -> None:
    trail.append(repo_stream(RepoId("b")), [event(Kind.COMMAND_RAN, n=1)] * count, expected_version=None)


def resting(trail: Trail, *anchors: Anchor) -> Monitor:
    """A monitor that has read the whole record, and will not for an hour."""
    monitor = Monitor(trail, lambda: anchors)
    assert monitor.look().claim.startswith("consistent")
    monitor._read_next += 3_600.0
    return monitor


def due(monitor: Monitor) -> Monitor:
    """Let the whole record be read with the next look."""
    monitor._read_next = 0.0
    return monitor


def test_before_anything_was_measured_nothing_is_claimed(trail: Trail) -> None:
    monitor = Monitor(trail, lambda: ())
    assert monitor.standing.claim == "not verified yet"
    assert monitor.look().claim == "consistent; roll-back not excluded"


def test_what_is_new_is_verified_without_reading_the_whole_again(trail: Trail) -> None:
    monitor = resting(trail)
    grow(trail)
    found = monitor.look()
    assert found.verified == trail.head()
    assert (found.read, trail.head().size) == (29, 32)
    assert found.since is not None
    assert found.since.size == 29


def test_a_changed_old_event_is_found_when_the_whole_is_read_again(trail: Trail, file: Path) -> None:
    """Until then the page says how much was read as a whole, and when."""
    monitor = resting(trail)
    with opened_raw(file) as raw:
        raw.execute("UPDATE events SET payload = replace(payload, 'fine', 'nope')")
    before = monitor.look()
    assert (before.claim, before.read) == ("consistent; roll-back not excluded", 29)
    after = due(monitor).look()
    assert after.claim.startswith("BROKEN: payload changed")
    assert after.fault_count == len(after.faults) == 2


def test_a_log_that_was_rolled_back_stays_broken_for_who_saw_it_longer(trail: Trail, file: Path) -> None:
    """The file alone looks like any other; what was verified is in memory."""
    monitor = resting(trail)
    with opened_raw(file) as raw:
        cut(raw, 20)
    assert [one.kind for one in monitor.look().faults] == [FaultKind.ROLLED_BACK]
    trail.rebuild()
    assert trail.verify().intact
    assert FaultKind.ROLLED_BACK in {one.kind for one in due(monitor).look().faults}


def test_a_log_that_is_another_one_is_forked(trail: Trail, file: Path) -> None:
    monitor = resting(trail)
    with opened_raw(file) as raw:
        cut(raw, 28)
        plant_tree(raw)
    trail.rebuild()
    grow(trail, 4)
    assert [one.kind for one in monitor.look().faults] == [FaultKind.FORKED]
    assert FaultKind.FORKED in {one.kind for one in due(monitor).look().faults}


def test_a_head_kept_elsewhere_is_named_as_far_as_it_reaches(trail: Trail) -> None:
    kept = Anchor(head=trail.head(size=12), by="kept.json")
    assert resting(trail, kept).standing.claim == (
        "consistent; extends the checkpoint of 12 events kept by kept.json"
    )


@pytest.mark.parametrize(("size", "kind"), [(12, FaultKind.FORKED), (400, FaultKind.ROLLED_BACK)])
def test_a_head_that_the_log_does_not_extend_breaks_it(trail: Trail, size: int, kind: FaultKind) -> None:
    kept = Anchor(head=TreeHead(size=size, root=Digest("ab" * 32)), by="kept.json")
    found = Monitor(trail, lambda: [kept]).look()
    assert [one.kind for one in found.faults] == [kind]
    assert found.verified is None
    assert found.claim.startswith("BROKEN")


def test_what_was_mended_is_intact_again(trail: Trail, file: Path) -> None:
    monitor = resting(trail)
    with opened_raw(file) as raw:
        raw.execute("DELETE FROM findings")
    assert due(monitor).look().claim.startswith("BROKEN: projection changed")
    trail.rebuild()
    assert due(monitor).look().claim == "consistent; roll-back not excluded"


def test_where_nothing_can_be_measured_the_last_measurement_keeps_its_time(trail: Trail) -> None:
    monitor = resting(trail)
    before = monitor.standing
    trail.close()
    after = monitor.look()
    assert after.claim == "could not be verified just now"
    assert (after.verified, after.at) == (before.verified, before.at)


@pytest.mark.parametrize("is_due", [False, True])
def test_a_file_in_the_place_of_another_is_no_longer_verified(
    trail: Trail, file: Path, tmp_path: Path, *, is_due: bool
) -> None:
    """This process still holds the old one open, and could go on calling that intact."""
    monitor = resting(trail)
    copy = tmp_path / "copy"
    copy.write_bytes(file.read_bytes())
    copy.replace(file)
    assert (due(monitor) if is_due else monitor).look().claim == "could not be verified just now"
    assert due(monitor).look().claim == "could not be verified just now"


@pytest.mark.needs_host
def test_a_cosigned_head_counts_by_the_witness_s_key_alone(trail: Trail, tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "key", origin="example.org/pev")
    with serving(LocalWitness(logs=[ring.keys()[0].verifier])) as witness:
        notary = Notary(trail, ring, witnesses=[Witness(witness.key, witness.url)], needed=1)
        head = notary.checkpoint(witnessed=True).checkpoint.head
    stranger = LocalWitness(seed=b"x" * 32).key
    found = cosigned_head(trail, notary.known_keys(), [witness.key])
    assert found == Anchor(head=head, by="witness witness.example/w1")
    assert cosigned_head(trail, notary.known_keys(), [stranger]) is None
    assert cosigned_head(trail, [stranger], [witness.key]) is None
    grow(trail)
    standing = resting(trail, found).standing
    assert standing.claim.endswith(f"of {head.size} events kept by witness witness.example/w1")
