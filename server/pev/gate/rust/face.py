"""How Rust shows itself in files."""

from typing import Final

from pev.gate.demands import Language
from pev.gate.face import Face
from pev.gate.rust.manifest import CargoManifest
from pev.gate.rust.source import aware, inventory, suppressions

RUST: Final = Face(
    language=Language.RUST,
    suffixes=(".rs",),
    configs=(
        ".cargo/config",
        ".cargo/config.toml",
        "clippy.toml",
        ".clippy.toml",
        "rustfmt.toml",
        ".rustfmt.toml",
        "rust-toolchain",
        "rust-toolchain.toml",
        "build.rs",
        "deny.toml",
        ".config/nextest.toml",
        "tarpaulin.toml",
    ),
    test_files=("tests/*.rs", "tests/*/main.rs", "tests.rs"),
    inventory=inventory,
    suppressions=suppressions,
    manifests={"Cargo.toml": CargoManifest()},
    test_folders=frozenset({"tests", "benches"}),
    aware=aware,
    inline=True,
)
