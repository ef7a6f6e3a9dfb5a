"""What is risky in Rust: unsafe code, commands put together, certificates not looked at, old cryptography."""

from typing import Any, Final

from pev.findings import Effect
from pev.gate.patterns import Rule

_TEXT: Final[list[dict[str, Any]]] = [{"kind": "string_literal"}, {"kind": "raw_string_literal"}]
_SHELL: Final = r"^r?#*\"(.*/)?(sh|bash|dash|zsh|ksh|cmd|cmd\.exe|powershell|pwsh)(\.exe)?\"#*$"
_SQL: Final = (
    r"(?is)\"\s*(select\s.*\sfrom|insert\s+into|update\s.*\sset|delete\s+from|drop\s|alter\s)\b[^\"]*\{"
)
_NEW: Final = r"(^|::)Command::new$"
_NOT_TEXT: Final[dict[str, Any]] = {
    "all": [
        {"regex": r"[^(),\s]"},
        {"not": {"any": [*_TEXT, {"kind": "line_comment"}, {"kind": "block_comment"}]}},
    ]
}


def _call(function: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    """Match calls of what has a name, with arguments of which each rule matches one."""
    wanted = [{"has": {"field": "arguments", "has": one}} for one in arguments]
    named = {"kind": "call_expression", "has": {"field": "function", "regex": function}}
    return named | ({"all": wanted} if wanted else {})


_SHELL_NEW: Final = _call(_NEW, {"any": _TEXT, "regex": _SHELL})
_METHOD: Final = {"kind": "field_expression", "regex": r"\.\s*args?$"}

TESTS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "mod_item", "follows": {"kind": "attribute_item", "regex": r"^#\[cfg\(test\)\]$"}},
    {"kind": "function_item", "follows": {"kind": "attribute_item", "regex": r"^#\[([a-z_]+::)?test\b"}},
)
"""What inside a source is compiled for tests alone."""

RULES: Final = (
    Rule(
        id="shell-command",
        message="a shell runs text that is put together at run time",
        remedy="Start the program itself, with its arguments one by one.",
        match={
            "rule": {
                "kind": "call_expression",
                "all": [
                    {"has": {"field": "function", **_METHOD, "has": {"stopBy": "end", **_SHELL_NEW}}},
                    {"has": {"field": "arguments", "has": _NOT_TEXT}},
                ],
            }
        },
    ),
    Rule(
        id="shell",
        message="a shell is started",
        remedy="Start the program itself, with its arguments one by one.",
        match={"rule": _SHELL_NEW},
        effect=Effect.HOLDS,
    ),
    Rule(
        id="variable-command",
        message="the program that is started is chosen at run time",
        remedy="Write the program's name out.",
        match={"rule": _call(_NEW, _NOT_TEXT)},
        effect=Effect.HOLDS,
    ),
    Rule(
        id="ends-process",
        message="the process is ended from within, which ends the tests that run in it",
        remedy="Give an error, and end the program in main.",
        match={
            "rule": {
                **_call(r"\b(process::(exit|abort)|libc::_?exit)$"),
                "not": {
                    "inside": {
                        "kind": "function_item",
                        "stopBy": "end",
                        "has": {"field": "name", "regex": "^main$"},
                    }
                },
            }
        },
        effect=Effect.HOLDS,
    ),
    Rule(
        id="foreign-command",
        message="the C library starts a program",
        remedy="Use std::process::Command.",
        match={
            "rule": {
                "kind": "scoped_identifier",
                "regex": r"^libc::(system|popen|exec\w+|fork|posix_spawnp?)$",
            }
        },
    ),
    Rule(
        id="certificate-not-verified",
        message="TLS certificates are not verified",
        remedy="Leave it out; trust a certificate by adding it as a root.",
        match={
            "rule": {
                "any": [
                    {
                        "kind": "call_expression",
                        "has": {
                            "field": "function",
                            "regex": r"\bdanger_accept_invalid_(certs|hostnames)$|\btls_danger_accept_\w+$",
                        },
                        "not": {"has": {"field": "arguments", "regex": r"^\(\s*false\s*\)$"}},
                    },
                    {"kind": "scoped_identifier", "regex": r"\bSslVerifyMode::NONE$"},
                    {"kind": "impl_item", "has": {"field": "trait", "regex": r"\bServerCertVerifier$"}},
                ]
            }
        },
    ),
    Rule(
        id="weak-cryptography",
        message="this cryptography is broken",
        remedy="Use sha2, or let a person allow it where nothing rests on it.",
        match={
            "rule": {
                "any": [
                    {
                        "kind": "use_declaration",
                        "regex": r"^(pub\s+)?use\s+(::)?(md4|md5|md_5|sha1|sha_1|des|rc4)\b",
                    },
                    {
                        "kind": "scoped_identifier",
                        "regex": r"^(md5::compute|(\w+::)*(Md4|Md5|Sha1|TdesEde3|Des|Rc4)::(new|digest\w*))$",
                    },
                ]
            }
        },
    ),
    Rule(
        id="sql-text",
        message="a query is put together as text",
        remedy="Use parameters of the query.",
        match={
            "rule": {
                "kind": "macro_invocation",
                "has": {"field": "macro", "regex": r"^(std::)?format(_args)?$"},
                "regex": _SQL,
            }
        },
    ),
    Rule(
        id="open-to-all",
        message="anybody may write into this file or folder",
        remedy="Give rights to the owner: 0o600 or 0o700.",
        match={
            "rule": _call(
                r"\b(from_mode|set_mode|mode)$",
                {"kind": "integer_literal", "regex": r"^0o[0-7]?[0-7]{2}[2367]$"},
            )
        },
    ),
    Rule(
        id="unsafe-code",
        message="what the compiler guarantees does not hold here",
        remedy="Do without unsafe, or let a person look at it.",
        match={
            "rule": {
                "any": [
                    {"kind": "unsafe_block"},
                    {"kind": "function_modifiers", "regex": r"\bunsafe\b"},
                    {"kind": "impl_item", "regex": r"^unsafe\b"},
                    {"kind": "trait_item", "regex": r"^(pub(\([^)]*\))?\s+)?unsafe\b"},
                    {"kind": "foreign_mod_item"},
                    {
                        "kind": "attribute_item",
                        "regex": r"no_mangle|link_section|export_name|global_allocator",
                    },
                ]
            }
        },
        effect=Effect.HOLDS,
    ),
    Rule(
        id="unchecked-value",
        message="a value is made without a check",
        remedy="Use the form that checks, or let a person look at it.",
        match={
            "rule": {
                "any": [
                    {
                        "kind": "call_expression",
                        "has": {
                            "field": "function",
                            "regex": r"\b((transmute(_copy)?|zeroed)(::<[^(]*>)?|from_raw(_parts(_mut)?)?"
                            r"|assume_init|get_unchecked(_mut)?|from_utf8_unchecked|unwrap_unchecked)$",
                        },
                    },
                    {"kind": "macro_invocation", "has": {"field": "macro", "regex": r"\b(global_)?asm$"}},
                    {
                        "kind": "call_expression",
                        "has": {"field": "function", "regex": r"^libloading::Library::new$"},
                    },
                ]
            }
        },
        effect=Effect.HOLDS,
    ),
    Rule(
        id="code-elsewhere",
        message="code comes from a file that is no source of Rust",
        remedy="Keep code in files that end with .rs.",
        match={
            "rule": {
                "any": [
                    {
                        "kind": "attribute_item",
                        "regex": r"\bpath\s*=\s*\"",
                        "not": {"regex": r"\.rs\"\s*\)?\s*\]$"},
                    },
                    {
                        "kind": "macro_invocation",
                        "has": {"field": "macro", "regex": r"^(std::)?include$"},
                        "not": {"regex": r"OUT_DIR|\.rs\"\s*,?\s*\)$"},
                    },
                ]
            }
        },
        effect=Effect.HOLDS,
    ),
)

PLANTED: Final = """\
use std::process::Command;

pub fn planted(text: &str) -> bool {
    unsafe { std::mem::transmute::<u8, u8>(1) };
    Command::new("sh").arg("-c").arg(text).status().is_ok()
}
"""
