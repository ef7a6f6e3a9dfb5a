"""What a pull request carries: it holds for the commit that was judged, offline, and for nothing else."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer._key import SSlibKey

from pev.config import load_config
from pev.engine import Engine
from pev.errors import EvidenceInvalid, InvalidInput, PevError, ProofInvalid, RefNotFound
from pev.forge.dsse import key_id
from pev.forge.evidence import SUMMARY, TEST_RESULT, Bundle, parse_bundle, verify_bundle
from pev.models import ObjectId
from pev.run import RunState, Status
from pev.stages.attested import verify_commit
from pev.trail.notary import Notary
from pev.trail.notes import SignerKey, VerifierKey
from pev.views import view_run
from support.cli import pev
from support.depots import git_in
from support.engines import AGENT, approved, engine_at
from support.plans import plan
from support.repos import UserRepoFixture

pytestmark = pytest.mark.needs_host
SLUG = '"""Addresses."""\n\n\ndef slugify(text: str) -> str:\n    return "-".join(text.lower().split())\n'


@dataclass
class Shipped:
    """A run with a pull request, in a real repository."""

    repo: UserRepoFixture
    state: RunState
    keys: tuple[VerifierKey, ...]
    raw: bytes

    @property
    def commit(self) -> ObjectId:
        assert self.state.pr is not None
        return self.state.pr.commit

    @property
    def tree(self) -> ObjectId:
        assert self.state.pr is not None
        return self.state.pr.tree

    @property
    def bundle(self) -> Bundle:
        return parse_bundle(self.raw)


async def ship(engine: Engine, text: str = SLUG) -> RunState:
    state = await approved(engine, plan())
    await engine.executing.make(AGENT, state.id)
    await engine.executing.write(AGENT, state.id, "src/app/slug.py", text)
    judged = await engine.verifying.run_gate(AGENT, state.id, wait_s=120)
    assert judged.state.status is Status.PASSED, judged.report
    shipped, _ = await engine.shipping.open_pr(AGENT, state.id)
    return shipped


@pytest.fixture
async def shipped(user_repo: UserRepoFixture) -> AsyncIterator[Shipped]:
    user_repo.commit("policy", {"pev.toml": 'checks = ["lint"]\n'})
    async with engine_at(user_repo.path) as engine:
        state = await ship(engine)
        notary = Notary.of(engine.core.trail, engine.core.config)
        keys = await anyio.to_thread.run_sync(notary.signing_keys)
        yield Shipped(user_repo, state, keys, await engine.reading.evidence(AGENT, state.id))


async def test_the_judged_commit_is_shown_with_its_gate(shipped: Shipped) -> None:
    shown = await verify_commit(shipped.repo.path, f"agent/{shipped.state.id}", shipped.keys)

    assert (shown.commit, shown.tree, shown.run) == (shipped.commit, shipped.tree, shipped.state.id)
    assert "lint" in shown.checks
    assert shown.policy == shipped.state.policy_hash
    assert shown.log == shipped.keys[0].name


@pytest.mark.parametrize("kind", [["--depth", "1"], ["--bare"]], ids=["shallow", "bare"])
async def test_it_is_checked_where_only_the_commit_and_the_note_were_fetched(
    shipped: Shipped, tmp_path: Path, kind: list[str]
) -> None:
    """On another machine, as a build server has it: nothing of the trail is there."""
    branch, notes = f"agent/{shipped.state.id}", f"refs/notes/pev/{shipped.state.id}"
    git_in(tmp_path, "clone", "-q", *kind, "-b", branch, shipped.repo.path.as_uri(), "there")
    with pytest.raises(EvidenceInvalid, match="no evidence here") as told:
        await verify_commit(tmp_path / "there", "HEAD", shipped.keys)
    git_in(tmp_path / "there", *told.value.hint.removeprefix("Fetch it: git ").split())

    shown = await verify_commit(tmp_path / "there", "HEAD", shipped.keys)

    assert shown.commit == shipped.commit
    assert notes in told.value.hint


async def test_a_file_of_evidence_does_as_well_as_the_note(shipped: Shipped, tmp_path: Path) -> None:
    git_in(tmp_path, "clone", "-q", "-b", f"agent/{shipped.state.id}", shipped.repo.path.as_uri(), "there")

    shown = await verify_commit(tmp_path / "there", "HEAD", shipped.keys, evidence=shipped.raw)

    assert shown.commit == shipped.commit


# What was changed after the gate


def changed(shipped: Shipped, tmp_path: Path) -> Path:
    """Clone the branch of the pull request, to be changed, with its note."""
    git_in(tmp_path, "clone", "-q", "-b", f"agent/{shipped.state.id}", shipped.repo.path.as_uri(), "there")
    there = tmp_path / "there"
    git_in(
        there,
        "fetch",
        "-q",
        "origin",
        f"+refs/notes/pev/{shipped.state.id}:refs/notes/pev/{shipped.state.id}",
    )
    for key, value in (("user.name", "Eve"), ("user.email", "eve@localhost")):
        git_in(there, "config", key, value)
    return there


async def test_one_more_commit_is_not_covered(shipped: Shipped, tmp_path: Path) -> None:
    there = changed(shipped, tmp_path)
    (there / "src/app/slug.py").write_text("import os\n", encoding="utf-8")
    git_in(there, "commit", "-q", "-a", "-m", "more")

    with pytest.raises(EvidenceInvalid, match="says of no run"):
        await verify_commit(there, "HEAD", shipped.keys)


async def test_an_amended_commit_is_not_covered(shipped: Shipped, tmp_path: Path) -> None:
    """Its message still names run and snapshot; its tree is another."""
    there = changed(shipped, tmp_path)
    (there / "src/app/slug.py").write_text("import os\n", encoding="utf-8")
    git_in(there, "commit", "-q", "-a", "--amend", "--no-edit")

    with pytest.raises(EvidenceInvalid, match="its gate judged"):
        await verify_commit(there, "HEAD", shipped.keys)


async def test_a_commit_that_lies_about_its_snapshot_is_not_covered(shipped: Shipped, tmp_path: Path) -> None:
    """The trailers are words; the signed statement names the commit."""
    there = changed(shipped, tmp_path)
    (there / "src/app/slug.py").write_text("import os\n", encoding="utf-8")
    git_in(there, "add", "-A")
    tree = git_in(there, "write-tree").strip()
    message = f"slug\n\nPEV-Run: {shipped.state.id}\nPEV-Snapshot: {tree}\n"
    git_in(there, "commit", "-q", "--amend", "-m", message)
    forged = git_in(there, "rev-parse", "HEAD").strip()
    git_in(there, "notes", f"--ref=pev/{shipped.state.id}", "add", "-m", shipped.raw.decode(), forged)

    with pytest.raises(EvidenceInvalid, match="the evidence is about"):
        await verify_commit(there, "HEAD", shipped.keys)


async def test_the_same_tree_under_another_commit_is_not_covered(shipped: Shipped, tmp_path: Path) -> None:
    """Else history could be rewritten below it."""
    there = changed(shipped, tmp_path)
    git_in(there, "commit", "-q", "--amend", "--no-edit", "--author", "Eve <eve@localhost>")

    with pytest.raises(EvidenceInvalid, match="the evidence is about"):
        await verify_commit(there, "HEAD", shipped.keys, evidence=shipped.raw)


async def test_what_is_no_commit_here_is_named(shipped: Shipped) -> None:
    with pytest.raises(RefNotFound, match="nowhere"):
        await verify_commit(shipped.repo.path, "nowhere", shipped.keys)


# What was changed in the evidence


def check(shipped: Shipped, bundle: Bundle) -> None:
    verify_bundle(bundle, shipped.keys, commit=shipped.commit, tree=shipped.tree)


async def test_another_key_signed_nothing_here(shipped: Shipped) -> None:
    other = SignerKey(shipped.keys[0].name, b"\1" * 32).verifier

    with pytest.raises(EvidenceInvalid, match="no key that was given"):
        verify_bundle(shipped.bundle, [other], commit=shipped.commit, tree=shipped.tree)


async def test_a_proof_of_another_event_does_not_do(shipped: Shipped) -> None:
    """Every event of the log can be proven; only the passed gate counts."""
    config = load_config()
    async with engine_at(shipped.repo.path) as engine:
        notary = Notary.of(engine.core.trail, config)
        proof = await anyio.to_thread.run_sync(notary.prove, 0)

    with pytest.raises(EvidenceInvalid, match="is not the passed gate"):
        check(shipped, shipped.bundle.model_copy(update={"proof": proof}))


async def test_a_missing_statement_is_missed(shipped: Shipped) -> None:
    for kept in ((), (0,), (1,), (0, 0)):
        envelopes = tuple(shipped.bundle.envelopes[place] for place in kept)

        with pytest.raises(EvidenceInvalid, match="missing"):
            check(shipped, shipped.bundle.model_copy(update={"envelopes": envelopes}))


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"\xff", b'{"mediaType":"x","run":"0a1b2c3d","envelopes":[],"proof":""}']
)
def test_what_is_no_evidence_is_named(raw: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        parse_bundle(raw)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_changed_bit_of_it_is_believed(shipped: Shipped, data: Any) -> None:
    """Of the payloads, their signatures and the proof; only the names of keys are hints."""
    raw = json.loads(shipped.raw)
    parts = [*((place, "payload") for place in (0, 1)), *((place, "sig") for place in (0, 1)), (-1, "proof")]
    place, part = data.draw(st.sampled_from(parts))
    if part == "proof":
        text = raw["proof"]
        at = data.draw(st.integers(0, len(text) - 1))
        raw["proof"] = text[:at] + chr(ord(text[at]) ^ 1 << data.draw(st.integers(0, 6))) + text[at + 1 :]
    else:
        holder = raw["envelopes"][place]
        holder = holder if part == "payload" else holder["signatures"][0]
        value = bytearray(base64.b64decode(holder[part]))
        value[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        holder[part] = base64.b64encode(value).decode()

    with pytest.raises((EvidenceInvalid, ProofInvalid, InvalidInput)):
        check(shipped, parse_bundle(json.dumps(raw).encode()))


# Code that is not ours


async def test_the_envelopes_hold_for_securesystemslib(shipped: Shipped) -> None:
    name = key_id(shipped.keys[0])
    key = SSlibKey(name, "ed25519", "ed25519", {"public": shipped.keys[0].key.hex()})
    other = SSlibKey(name, "ed25519", "ed25519", {"public": SignerKey("x", b"\1" * 32).verifier.key.hex()})
    kinds = set()
    for one in shipped.bundle.envelopes:
        envelope = Envelope.from_dict(json.loads(json.dumps(one)))
        key.verify_signature(envelope.signatures[name], envelope.pae())
        with pytest.raises(UnverifiedSignatureError):
            other.verify_signature(envelope.signatures[name], envelope.pae())
        statement = json.loads(envelope.payload)
        kinds.add(statement["predicateType"])
        assert statement["subject"][0]["digest"] == {"gitCommit": shipped.commit}

    assert kinds == {TEST_RESULT, SUMMARY}


# A call that was broken off


async def test_open_pr_that_was_broken_off_is_completed_by_the_next(
    user_repo: UserRepoFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The branch was out already, and the trail did not know: one commit, one branch, one pull request."""
    user_repo.commit("policy", {"pev.toml": 'checks = ["lint"]\n'})
    async with engine_at(user_repo.path) as engine:
        append = engine.core.decide

        async def broken(run_id: Any, decision: Any) -> Any:
            state = await engine.core.state(run_id)
            if state.status is Status.PASSED:
                raise PevError("the machine stopped here")
            return await append(run_id, decision)

        monkeypatch.setattr(type(engine.core), "decide", staticmethod(broken))
        with pytest.raises(PevError, match="stopped here"):
            await ship(engine)
        monkeypatch.undo()
        run = (await engine.reading.runs(AGENT))[0].id
        out = user_repo.git("rev-parse", f"agent/{run}")
        state, _ = await engine.shipping.open_pr(AGENT, run)

    assert state.pr is not None
    assert state.pr.commit == out == user_repo.git("rev-parse", f"agent/{run}")


# The command line


async def test_the_command_says_by_its_exit_code_whether_a_commit_is_covered(
    shipped: Shipped, tmp_path: Path
) -> None:
    """A build server has the clone and the key; the evidence comes as a file or with the commit."""
    there, key = changed(shipped, tmp_path), str(shipped.keys[0])
    file = tmp_path / "evidence.json"
    handed = pev("evidence", shipped.state.id, "-o", str(file), cwd=shipped.repo.path)
    good = pev("verify-pr", "--key", key, "--json", cwd=there)
    from_file = pev("verify-pr", "--key", key, "--evidence", str(file), cwd=there)
    without_key = pev("verify-pr", cwd=there)
    git_in(there, "commit", "-q", "--allow-empty", "-m", "one more")
    bad = pev("verify-pr", "--key", key, "--json", cwd=there)

    assert (handed.code, file.read_bytes()) == (0, shipped.raw)
    assert (good.code, good.json()["holds"], good.json()["commit"]) == (0, True, shipped.commit)
    assert from_file.code == 0
    assert f"Commit {shipped.commit} is what the gate of run {shipped.state.id} passed." in from_file.out
    assert (without_key.code, "pev trail keys" in without_key.err) == (2, True)
    assert (bad.code, bad.json()["holds"]) == (1, False)
    assert "evidence.invalid" in bad.err


async def test_a_push_after_the_gate_is_told_in_the_run(shipped: Shipped) -> None:
    """The local forge sees that its branch moved; nothing is undone, and the reader is warned first."""
    branch = f"agent/{shipped.state.id}"
    tree = shipped.repo.git("rev-parse", f"{branch}^{{tree}}")
    more = shipped.repo.git("commit-tree", tree, "-p", branch, "-m", "more")
    shipped.repo.git("update-ref", f"refs/heads/{branch}", more)
    async with engine_at(shipped.repo.path) as engine:
        state = await engine.shipping.sync_pr(AGENT, shipped.state.id)

    assert state.pr is not None
    assert state.pr.head == more
    assert view_run(state).notes[0].startswith("NOT COVERED")
