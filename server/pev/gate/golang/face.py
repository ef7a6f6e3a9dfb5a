"""How Go shows itself in files."""

from typing import Final

from pev.gate.demands import Language
from pev.gate.face import Face
from pev.gate.golang.modfile import GoManifest
from pev.gate.golang.source import aware, inventory, suppressions

GO: Final = Face(
    language=Language.GO,
    suffixes=(".go",),
    configs=(
        "go.work",
        "go.work.sum",
        ".golangci.*",
        "staticcheck.conf",
        ".staticcheck.conf",
        ".gosec.*",
        "gosec.json",
        "revive.toml",
        "go.env",
    ),
    test_files=("*_test.go",),
    inventory=inventory,
    suppressions=suppressions,
    manifests={"go.mod": GoManifest()},
    test_folders=frozenset({"test", "tests", "testing", "testdata"}),
    aware=aware,
)
