"""What a change to the modules of Go must say, and what is asked about them."""

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from pev.config import load_config
from pev.findings import Effect, Outcome
from support.gates import GateFixture, of, rules_of
from support.golang import GO_MOD
from support.osv import OsvFixture

pytestmark = pytest.mark.needs_go


def _proxy(folder: Path, module: str, version: str, source: str) -> None:
    """Write a module into a folder that serves as a proxy (the protocol of the Go modules reference)."""
    place = folder / module / "@v"
    place.mkdir(parents=True, exist_ok=True)
    (place / "list").write_text(f"{version}\n")
    (place / f"{version}.info").write_text(f'{{"Version": "{version}", "Time": "2026-01-01T00:00:00Z"}}')
    (place / f"{version}.mod").write_text(f"module {module}\n")
    with zipfile.ZipFile(place / f"{version}.zip", "w") as packed:
        packed.writestr(f"{module}@{version}/go.mod", f"module {module}\n")
        packed.writestr(f"{module}@{version}/x.go", source)


async def test_modules_are_had_from_the_operators_proxy_and_audited(
    go_gate: GateFixture, osv: OsvFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The change locks a module; it is downloaded outside of the sandbox, and held to its checksum."""
    _proxy(tmp_path / "proxy", "example.com/x", "v1.0.0", "package x\n\nfunc X() int { return 1 }\n")
    env = {"GOPROXY": f"file://{tmp_path / 'proxy'}", "GOSUMDB": "off", "GOFLAGS": "-modcacherw"}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    files = {
        "go.mod": GO_MOD + "\nrequire example.com/x v1.0.0\n",
        "calc/use.go": 'package calc\n\nimport "example.com/x"\n\n// One gives one.\n'
        "func One() int {\n\treturn x.X()\n}\n",
        "calc/use_test.go": 'package calc\n\nimport "testing"\n\nfunc TestOne(t *testing.T) {\n'
        "\tif One() != 1 {\n\t\tt.Fatal(One())\n\t}\n}\n",
    }
    work = tmp_path / "work"
    work.mkdir()
    for name in files:
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(files[name])
    (work / "calc" / "use_test.go").unlink()
    tidy = subprocess.run(
        ["go", "mod", "tidy"], cwd=work, capture_output=True, env={**os.environ, **env}, text=True
    )
    assert tidy.returncode == 0, tidy.stderr
    files |= {"go.mod": (work / "go.mod").read_text(), "go.sum": (work / "go.sum").read_text()}
    gate = GateFixture(go_gate.repo, load_config())

    good = await gate.judge(files)
    osv.knows("Go", "example.com/x", "1.0.0", "GO-2026-1", fixed="1.0.1")
    bad = await GateFixture(go_gate.repo, load_config(cache_dir=tmp_path / "cache")).check("deps", files)
    forged = files["go.sum"].replace("h1:", "h1:AAAA", 1)
    cheat = await gate.check("tests", {**files, "go.sum": forged})

    assert good.outcome is Outcome.PASSED, good.reason
    assert of(good, "deps").reason == "1 new modules audited"
    assert ("Go", "example.com/x", "1.0.0") in osv.asked
    assert (bad.outcome, rules_of(bad)) == (Outcome.FAILED, {"GO-2026-1"})
    assert (cheat.outcome, "cannot be had" in cheat.reason) == (Outcome.INCONCLUSIVE, True), cheat.reason


async def test_where_modules_come_from_is_told(go_gate: GateFixture, osv: OsvFixture) -> None:
    locked = "example.com/old v1.0.0 h1:aaa=\nexample.com/old v1.0.0/go.mod h1:bbb=\n"
    base = GO_MOD + "\nrequire example.com/old v1.0.0\n"
    go_gate.on_base({"go.mod": base, "go.sum": locked, "vendor/modules.txt": "# none\n"})
    gate = GateFixture(go_gate.repo, load_config())
    text = (
        base
        + "require (\n\texample.com/new v1.2.3\n\texample.com/commit v0.0.0-20260101000000-0123456789ab\n)\n"
        + "replace example.com/old => example.com/other v1.0.0\n"
    )

    result = await gate.check(
        "deps",
        {
            "go.mod": text,
            "go.sum": locked.replace("aaa", "ccc"),
            "vendor/example.com/old/x.go": "package x\n",
        },
    )

    assert result.outcome is Outcome.FAILED
    assert rules_of(result) == {
        "replaced-module",
        "no-release",
        "not-locked",
        "checksum-changed",
        "vendored-code",
    }
    assert {one.rule for one in result.findings if one.effect is Effect.HOLDS} == {
        "no-release",
        "vendored-code",
    }
    assert {name for _, name, _ in osv.asked} == {
        "example.com/new",
        "example.com/commit",
        "example.com/other",
    }
