"""What is read of package.json and package-lock.json, and what is left of them for installing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pev.gate.javascript.manifest import PackageManifest
from pev.gate.javascript.packages import bare_lock, bare_manifest, is_foreign, read_lock
from pev.gate.javascript.popular import twin_of
from pev.gate.javascript.versions import satisfies
from pev.gate.meaning import Meaning, compare
from pev.gate.protected import Ground
from support.javascript import lock, manifest

HOST = "packages.example.com"
NUMBERS = st.integers(min_value=0, max_value=12)


def text(**keys: object) -> bytes:
    return json.dumps({"name": "app", **keys}).encode()


def meaning(old: bytes | None, new: bytes | None) -> Meaning:
    return compare(Ground.MANIFEST, old, new, PackageManifest()).meaning


@pytest.mark.parametrize(
    "keys",
    [
        {"scripts": {"test": "true"}},
        {"jest": {"testMatch": []}},
        {"eslintConfig": {"rules": {}}},
        {"prettier": {"semi": False}},
        {"type": "module"},
        {"workspaces": ["packages/*"]},
    ],
)
def test_what_steers_tools_is_protected(keys: dict[str, object]) -> None:
    """Added, changed and taken away alike."""
    assert meaning(text(), text(**keys)) is Meaning.LOOSER
    assert meaning(text(**keys), text()) is Meaning.LOOSER


def test_what_declares_the_package_is_not() -> None:
    """Dependencies are the business of another check, and the form of the file is nobody's."""
    new = text(version="2.0.0", dependencies={"a": "1"}, exports="./a.js", scripts={})

    assert meaning(text(scripts={}), new) is Meaning.NEUTRAL
    assert meaning(text(), b'{\n  "name": "app"\n}\n') is Meaning.NEUTRAL
    assert meaning(text(), b"{") is Meaning.LOOSER


def test_the_trusted_part_is_put_back_and_the_rest_is_kept() -> None:
    trusted = text(scripts={"test": "node --test"}, dependencies={"a": "1"})
    own = text(scripts={"test": "true"}, jest={}, dependencies={"b": "2"})

    restored = PackageManifest().restored(trusted=trusted, own=own)

    assert restored is not None
    assert json.loads(restored) == {
        "name": "app",
        "scripts": {"test": "node --test"},
        "dependencies": {"b": "2"},
    }
    assert PackageManifest().restored(trusted=trusted, own=trusted) == trusted
    assert PackageManifest().restored(trusted=trusted, own=b"{") == trusted


def test_what_is_installed_holds_nothing_that_runs() -> None:
    bare = bare_manifest(json.loads(manifest(dependencies={"a": "1"}, scripts={"postinstall": "x"}, jest={})))

    assert bare == {"name": "app", "version": "1.0.0", "dependencies": {"a": "1"}}


def test_packages_are_fetched_from_the_operators_registry_alone() -> None:
    """An address at another host is left out: npm asks the registry in force, and holds to the hash."""
    value = json.loads(
        lock(
            {"name": "here", "version": "1.0.0", "resolved": f"https://{HOST}/here-1.0.0.tgz"},
            {"name": "away", "version": "1.0.0", "resolved": "https://away.example.com/away-1.0.0.tgz"},
            here="1.0.0",
        )
    )

    packages = bare_lock(value, HOST)["packages"]

    assert packages["node_modules/here"]["resolved"] == f"https://{HOST}/here-1.0.0.tgz"
    assert "resolved" not in packages["node_modules/away"]
    assert packages["node_modules/away"]["integrity"] == "sha512-away"
    assert packages[""]["dependencies"] == {"here": "1.0.0"}


@pytest.mark.parametrize(
    ("place", "entry"),
    [
        ("node_modules/../../x", {"version": "1.0.0"}),
        ("../x", {"version": "1.0.0"}),
        ("/etc/x", {"version": "1.0.0"}),
        ("node_modules/a/./b", {"version": "1.0.0"}),
        ("node_modules\\a", {"version": "1.0.0"}),
        ("node_modules/a", {"link": True, "resolved": "../../x"}),
    ],
)
def test_an_entry_that_leads_out_of_the_folder_spoils_the_lock_file(place: str, entry: object) -> None:
    """A lock file is a list of places to write to."""
    raw = json.dumps({"lockfileVersion": 3, "packages": {"": {}, place: entry}}).encode()

    assert "leads out of the project" in read_lock(raw).fault


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"lockfileVersion": 1}', b'{"lockfileVersion": 3, "packages": 1}']
)
def test_a_lock_file_that_cannot_be_read_says_so(raw: bytes) -> None:
    assert read_lock(raw).fault


def test_workspaces_and_nested_packages_are_told_apart() -> None:
    packages = {
        "": {},
        "packages/a": {"version": "1.0.0"},
        "node_modules/a": {"link": True, "resolved": "packages/a"},
        "node_modules/@s/b": {"version": "1.0.0"},
        "node_modules/c/node_modules/@s/b": {"version": "2.0.0", "hasInstallScript": True},
        "node_modules/alias": {"name": "real", "version": "3.0.0"},
    }
    found = read_lock(json.dumps({"lockfileVersion": 3, "packages": packages}).encode())

    assert found.members == ("packages/a",)
    assert [(one.pin, one.has_script) for one in found.packages] == [
        (("@s/b", "1.0.0"), False),
        (("@s/b", "2.0.0"), True),
        (("real", "3.0.0"), False),
    ]


@pytest.mark.parametrize(
    ("spec", "foreign"),
    [
        ("^1.0.0", False),
        ("npm:@a/b@1", False),
        ("workspace:*", False),
        ("latest", False),
        ("owner/repo", True),
        ("github:owner/repo", True),
        ("git+ssh://git@example.com/a.git", True),
        ("https://example.com/a.tgz", True),
        ("file:../a", True),
        ("./a", True),
    ],
)
def test_specifiers_that_name_no_release_are_known(spec: str, foreign: bool) -> None:
    assert is_foreign(spec) is foreign


@pytest.mark.parametrize(
    ("version", "spec", "fits"),
    [
        ("1.2.3", "^1.2.0", True),
        ("2.0.0", "^1.2.0", False),
        ("0.2.9", "^0.2.3", True),
        ("0.3.0", "^0.2.3", False),
        ("0.0.4", "^0.0.3", False),
        ("1.2.9", "~1.2.3", True),
        ("1.3.0", "~1.2.3", False),
        ("1.9.0", "1.x", True),
        ("2.0.0", "1", False),
        ("1.2.3", "1.2.3", True),
        ("1.2.4", "=1.2.3", False),
        ("1.5.0", ">=1.2 <2", True),
        ("2.0.0", ">=1.2 <2", False),
        ("3.1.0", "^1 || ^3", True),
        ("1.2.3", "*", True),
        ("1.2.3", "latest", True),
        ("1.2.3", "npm:other@^1.0.0", True),
    ],
)
def test_a_version_is_held_against_a_range(version: str, spec: str, fits: bool) -> None:
    assert satisfies(version, spec) is fits


@given(NUMBERS, NUMBERS, NUMBERS)
def test_each_version_satisfies_itself_and_what_it_could_grow_into(one: int, two: int, three: int) -> None:
    version = f"{one}.{two}.{three}"

    assert all(satisfies(version, spec) for spec in (version, f"^{version}", f"~{version}", f">={version}"))
    assert not satisfies(f"{one + 1}.{two}.{three}", f"^{version}")
    assert not satisfies(f"{one}.{two + 1}.{three}", f"~{version}")


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("loadsh", "lodash"),
        ("expresss", "express"),
        ("reactjs", "react"),
        ("@babe1/core", "@babel"),
        ("lodash", None),
        ("@babel/core", None),
        ("my-own-thing", None),
    ],
)
def test_names_that_are_nearly_well_known_are_seen(name: str, twin: str | None) -> None:
    assert twin_of(name) == twin
