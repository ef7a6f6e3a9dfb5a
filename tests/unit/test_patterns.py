"""Rules on syntax trees: what they find in Go and Rust, and what they leave alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pev.findings import Effect
from pev.gate.golang.security import GoSecurity
from pev.gate.patterns import Patterns, Rule
from pev.gate.rust.security import RustSecurity
from support.rules import matched, rules_in

GO_BAD = (
    ("shell-command", 'func f(a string) { exec.Command("sh", "-c", a).Run() }'),
    ("shell-command", 'func f(a string) { exec.CommandContext(ctx, "/bin/bash", "-c", "ls "+a).Run() }'),
    ("shell-command", "func f(a string) { exec.Command(`sh`, `-c`, fmt.Sprintf(`ls %s`, a)).Run() }"),
    ("shell-command", 'func f(a string) { e.Command("cmd.exe", "/C", a).Run() }'),
    ("variable-command", "func f(a string) { exec.Command(a).Run() }"),
    ("variable-command", 'func f(a string) { exec.CommandContext(ctx, a, "-v").Run() }'),
    ("variable-command", "func f(a string) { syscall.Exec(a, nil, nil) }"),
    ("certificate-not-verified", "var c = tls.Config{InsecureSkipVerify: true}"),
    ("certificate-not-verified", "var c = tls.Config{InsecureSkipVerify: loose}"),
    ("certificate-not-verified", "func f(c *tls.Config) { c.InsecureSkipVerify = true }"),
    ("host-key-not-verified", "var c = ssh.ClientConfig{HostKeyCallback: ssh.InsecureIgnoreHostKey()}"),
    ("old-tls", "var c = tls.Config{MinVersion: tls.VersionTLS10}"),
    ("weak-cryptography", 'import "crypto/md5"'),
    ("weak-cryptography", 'import (\n\t"fmt"\n\th "crypto/sha1"\n)'),
    ("no-signature", "var k = jwt.UnsafeAllowNoneSignatureType"),
    ("unsafe-code", 'import "unsafe"'),
    ("unsafe-code", 'import "C"'),
    ("linked-name", "//go:linkname now time.now\nfunc now()"),
    ("ends-process", "func f() { syscall.Exit(0) }"),
    ("ends-process", "func f() { os.Exit(0) }"),
    ("line-directive", "//line other.go:1\nvar a = 1"),
    ("command-in-comment", "//go:generate rm -rf x"),
    ("command-in-comment", '/*\n#cgo LDFLAGS: -lx\n*/\nimport "C"'),
    ("command-in-comment", '// #cgo CFLAGS: -g\nimport "C"'),
    ("renamed-package", 'import e "os/exec"'),
    ("renamed-package", 'import . "os/exec"'),
    ("unescaped-html", "func f(a string) any { return template.HTML(a) }"),
    ("sql-text", 'func f(a string) { db.Query("SELECT * FROM t WHERE a = \'" + a + "\'") }'),
    ("sql-text", 'func f(a string) { q := fmt.Sprintf("DELETE FROM t WHERE a = %s", a); _ = q }'),
    ("sql-text", "func f(a T) { db.Exec(`UPDATE t SET a = ` + a.b) }"),
    ("open-to-all", 'func f() { os.WriteFile("a", nil, 0666) }'),
    ("open-to-all", 'func f() { os.MkdirAll("a", 0o777) }'),
)
GO_GOOD = (
    'func f(a string) { exec.Command("git", "log", a).Run() }',
    'func f() { exec.Command("sh", "-c", "ls | wc").Run() }',
    "var c = tls.Config{InsecureSkipVerify: false, MinVersion: tls.VersionTLS12}",
    "func main() { os.Exit(1) }",
    'import "crypto/sha256"',
    'import _ "embed"',
    'func f(a string) { db.Query("SELECT * FROM t WHERE a = ?", a) }',
    'func f(a string) string { return "select a colour: " + a }',
    'func f() any { return template.HTML("<b>") }',
    'func f() { os.WriteFile("a", nil, 0o600) }',
    '// exec.Command("sh", "-c", a)\nvar s = `exec.Command("sh", "-c", a)`',
)
RUST_BAD = (
    ("shell-command", 'fn f(a: &str) { Command::new("sh").arg("-c").arg(a).status(); }'),
    ("shell-command", 'fn f(a: &str) { std::process::Command::new("/bin/bash").args(["-c", a]).status(); }'),
    ("shell-command", 'fn f(a: &str) { assert!(Command::new("sh").arg("-c").arg(a).status().is_ok()); }'),
    ("shell", 'fn f() { Command::new("sh").arg("-c").arg("ls").status(); }'),
    ("variable-command", "fn f(a: &str) { Command::new(a).status(); }"),
    ("ends-process", "fn f() { std::process::exit(0); }"),
    ("ends-process", "fn f() { assert!(g(process::abort())); }"),
    ("foreign-command", "fn f() { libc::system(p); }"),
    ("certificate-not-verified", "fn f() { c.danger_accept_invalid_certs(true).build(); }"),
    ("certificate-not-verified", "fn f() { c.danger_accept_invalid_hostnames(loose); }"),
    ("certificate-not-verified", "fn f() { b.set_verify(SslVerifyMode::NONE); }"),
    ("certificate-not-verified", "impl rustls::client::danger::ServerCertVerifier for No {}"),
    ("weak-cryptography", "use md5::Md5;"),
    ("weak-cryptography", "fn f() { md5::compute(b); }"),
    ("weak-cryptography", "fn f() { let mut h = sha1::Sha1::new(); }"),
    ("sql-text", 'fn f(a: &str) -> String { format!("SELECT * FROM t WHERE a = {}", a) }'),
    ("open-to-all", "fn f() { p.set_mode(0o777); }"),
    ("unsafe-code", "fn f() { unsafe { g() } }"),
    ("unsafe-code", 'fn f() { println!("{}", unsafe { g() }); }'),
    ("unsafe-code", "pub unsafe fn f() {}"),
    ("unsafe-code", "unsafe impl Send for A {}"),
    ("unsafe-code", 'extern "C" { fn g(); }'),
    ("unsafe-code", "#[no_mangle]\npub fn f() {}"),
    ("unchecked-value", "fn f() { std::mem::transmute::<u8, i8>(1); }"),
    ("unchecked-value", "fn f() { assert_eq!(transmute(1), 2); }"),
    ("unchecked-value", "fn f() { Box::from_raw(p); }"),
    ("code-elsewhere", '#[path = "data.txt"]\nmod data;'),
    ("code-elsewhere", 'fn f() { include!("data.bin"); }'),
)
RUST_GOOD = (
    'fn f(a: &str) { Command::new("git").arg("log").arg(a).status(); }',
    "fn f() { c.danger_accept_invalid_certs(false).build(); }",
    "fn main() { std::process::exit(1); }",
    "use sha2::Sha256;",
    'fn f(a: &str) -> String { format!("select a colour: {}", a) }',
    '#[path = "other.rs"]\nmod other;',
    'include!(concat!(env!("OUT_DIR"), "/made.rs"));',
    "fn f() { p.set_mode(0o600); }",
    '// unsafe { }\nconst A: &str = "unsafe { transmute(1) }";',
)


def go(code: str) -> str:
    return f"package x\n\n{code}\n"


@pytest.mark.parametrize(
    ("check", "bad", "good", "wrap"),
    [(GoSecurity, GO_BAD, GO_GOOD, go), (RustSecurity, RUST_BAD, RUST_GOOD, lambda code: f"{code}\n")],
    ids=["go", "rust"],
)
def test_rules_find_what_is_risky_and_nothing_else(
    tmp_path: Path,
    check: type[Patterns],
    bad: tuple[tuple[str, str], ...],
    good: tuple[str, ...],
    wrap: Callable[[str], str],
) -> None:
    """One process looks at all of it, as it does in a gate."""
    files = {f"bad{n}{check.suffix}": wrap(code) for n, (_, code) in enumerate(bad)}
    files |= {f"good{n}{check.suffix}": wrap(code) for n, code in enumerate(good)}

    found = matched(check, tmp_path / "tree", files)

    missed = [
        code for n, (rule, code) in enumerate(bad) if rule not in rules_in(found.get(f"bad{n}{check.suffix}"))
    ]
    wrong = {good[n]: found[name] for n in range(len(good)) if (name := f"good{n}{check.suffix}") in found}
    assert (missed, wrong) == ([], {})
    assert found["seen"] == len(bad) + len(good)
    assert {rule for rule, _ in bad} == {rule.id for rule in check.rules}


@pytest.mark.parametrize("check", [GoSecurity, RustSecurity], ids=["go", "rust"])
def test_what_is_planted_is_found(tmp_path: Path, check: type[Patterns]) -> None:
    found = matched(check, tmp_path / "tree", {f"planted{check.suffix}": check.planted})

    assert len(rules_in(found[f"planted{check.suffix}"])) > 1


def test_what_stands_in_a_module_of_tests_is_told_apart(tmp_path: Path) -> None:
    source = (
        "fn f() { unsafe { g() } }\n#[cfg(test)]\nmod tests {\n  #[test]\n  fn t() { unsafe { g() } }\n}\n"
    )

    found = matched(RustSecurity, tmp_path / "tree", {"lib.rs": source})

    assert [(one["line"], one["tests"]) for one in found["lib.rs"]] == [(1, False), (5, True)]


def test_files_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    """What nobody looked at is not clean."""
    files = {
        "broken.rs": "fn f( {{ ) ]",
        "large.rs": "// x\n" * 30,
        "bytes.rs": 'const A: &str = "\udcff";\n',
    }

    found = matched(RustSecurity, tmp_path / "tree", files, max_bytes=100)

    assert (found["broken.rs"], found["large.rs"]) == (
        "it is no rust",
        "it has 150 bytes, which is too large",
    )
    assert found["seen"] == 3


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.rs").write_text("fn f() { unsafe {} }\n")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link.rs").symlink_to(tmp_path / "outside.rs")

    assert matched(RustSecurity, tmp_path / "tree", {}) == {"seen": 0}


def test_a_rule_weighs_less_in_tests() -> None:
    rule = Rule(id="x", message="", remedy="", match={"rule": {}})
    soft = rule.model_copy(update={"effect": Effect.HOLDS})

    assert [one.weight(in_tests=True) for one in (rule, soft)] == [Effect.HOLDS, Effect.NOTES]
    assert rule.weight(in_tests=False) is Effect.BLOCKS
