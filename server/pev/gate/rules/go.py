"""What is risky in Go: commands put together, certificates not looked at, old cryptography, unsafe code.

A package under another name would hide its calls from the rules, so that is held.
"""

from typing import Any, Final

from pev.findings import Effect
from pev.gate.patterns import Rule

_TEXT: Final = {"any": [{"kind": "interpreted_string_literal"}, {"kind": "raw_string_literal"}]}
_SHELL: Final = r"^[\"`](.*/)?(sh|bash|dash|zsh|ksh|cmd|cmd\.exe|powershell|pwsh)(\.exe)?[\"`]$"
_SQL: Final = r"(?is)^[\"`]\s*(select\s.*\sfrom|insert\s+into|update\s.*\sset|delete\s+from|drop\s|alter\s)\b"
_WATCHED: Final = r"\"(os/exec|syscall|crypto/tls|html/template|os|crypto/x509|golang\.org/x/crypto/ssh)\""
_OPEN_MODE: Final = r"^0o?[0-7]?[0-7]{2}[2367]$"


def _call(function: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    """Match calls of what has a name, with arguments of which each rule matches one."""
    wanted = [{"has": {"field": "arguments", "has": one}} for one in arguments]
    named = {"kind": "call_expression", "has": {"field": "function", "regex": function}}
    return named | ({"all": wanted} if wanted else {})


def _imports(paths: str) -> dict[str, Any]:
    return {"kind": "import_spec", "has": {"field": "path", "regex": f'^"({paths})"$'}}


def _not_text() -> dict[str, Any]:
    """Match a value that is put together at run time."""
    literal = [*_TEXT["any"], {"kind": "comment"}]
    return {"all": [{"regex": r"[^(),\s]"}, {"not": {"any": literal}}, {"not": {"regex": r"^(ctx|nil)$"}}]}


RULES: Final = (
    Rule(
        id="shell-command",
        message="a shell runs text that is put together at run time",
        remedy="Start the program itself, with a list of arguments.",
        match={"rule": _call(r"^\w+\.Command(Context)?$", {**_TEXT, "regex": _SHELL}, _not_text())},
    ),
    Rule(
        id="variable-command",
        message="the program that is started is chosen at run time",
        remedy="Write the program's name out.",
        match={
            "rule": {
                "any": [
                    _call(r"^exec\.Command$", {"nthChild": 1, **_not_text()}),
                    _call(r"^exec\.CommandContext$", {"nthChild": 2, **_not_text()}),
                    _call(r"^(syscall\.(Exec|ForkExec|StartProcess)|os\.StartProcess)$"),
                ]
            }
        },
        effect=Effect.HOLDS,
    ),
    Rule(
        id="certificate-not-verified",
        message="TLS certificates are not verified",
        remedy="Leave InsecureSkipVerify out; trust a certificate by RootCAs.",
        match={
            "rule": {
                "any": [
                    {
                        "kind": "keyed_element",
                        "regex": r"^InsecureSkipVerify\s*:",
                        "not": {"regex": r":\s*false$"},
                    },
                    {
                        "kind": "assignment_statement",
                        "has": {"field": "left", "regex": r"\.InsecureSkipVerify$"},
                        "not": {"regex": r"=\s*false$"},
                    },
                ]
            }
        },
    ),
    Rule(
        id="host-key-not-verified",
        message="the key of an SSH host is not verified",
        remedy="Use ssh.FixedHostKey or knownhosts.",
        match={"rule": {"kind": "selector_expression", "regex": r"\.InsecureIgnoreHostKey$"}},
    ),
    Rule(
        id="old-tls",
        message="versions of TLS before 1.2 are allowed",
        remedy="Use tls.VersionTLS12 or later.",
        match={"rule": {"kind": "selector_expression", "regex": r"\.Version(SSL30|TLS10|TLS11)$"}},
    ),
    Rule(
        id="weak-cryptography",
        message="this cryptography is broken",
        remedy="Use crypto/sha256, crypto/aes, or let a person allow it where nothing rests on it.",
        match={"rule": _imports("crypto/(md5|sha1|des|rc4|dsa)")},
    ),
    Rule(
        id="no-signature",
        message="tokens without a signature are accepted",
        remedy="Name the algorithm that you sign with.",
        match={"rule": {"kind": "selector_expression", "regex": r"\.UnsafeAllowNoneSignatureType$"}},
    ),
    Rule(
        id="unsafe-code",
        message="this package steps out of what Go guarantees",
        remedy="Do without it, or let a person look at it.",
        match={"rule": _imports("unsafe|C|plugin|net/http/pprof")},
        effect=Effect.HOLDS,
    ),
    Rule(
        id="linked-name",
        message="a name is bound to code that does not stand here",
        remedy="Call what is exported.",
        match={"rule": {"kind": "comment", "regex": r"^//go:(linkname|cgo_\w+)\b"}},
        effect=Effect.HOLDS,
    ),
    Rule(
        id="ends-process",
        message="the process is ended from within, which ends the tests that run in it",
        remedy="Give an error, and end the program in main.",
        match={
            "rule": {
                "any": [
                    _call(r"^syscall\.(Exit|Kill)$"),
                    {
                        **_call(r"^os\.Exit$"),
                        "not": {
                            "inside": {
                                "kind": "function_declaration",
                                "stopBy": "end",
                                "has": {"field": "name", "regex": "^(main|TestMain)$"},
                            }
                        },
                    },
                ]
            }
        },
        effect=Effect.HOLDS,
    ),
    Rule(
        id="line-directive",
        message="this source says that it stands elsewhere, so that what tools say of it is lost",
        remedy="Leave the directive out.",
        match={"rule": {"kind": "comment", "regex": r"^(//line |/\*line )"}},
        effect=Effect.HOLDS,
    ),
    Rule(
        id="command-in-comment",
        message="a comment holds a command, or options of the compiler of C",
        remedy="Do without it, or let a person look at it.",
        match={"rule": {"kind": "comment", "regex": r"^//go:generate\b|(?m)^(//|/\*)?\s*#cgo\b"}},
        effect=Effect.HOLDS,
    ),
    Rule(
        id="renamed-package",
        message="a package that scanners watch gets another name here",
        remedy="Import it under its own name.",
        match={
            "rule": {
                "kind": "import_spec",
                "all": [
                    {"has": {"field": "path", "regex": _WATCHED}},
                    {"has": {"field": "name", "regex": "."}},
                ],
                "not": {"has": {"field": "name", "regex": "^_$"}},
            }
        },
        effect=Effect.HOLDS,
    ),
    Rule(
        id="unescaped-html",
        message="text that is not escaped gets into a page",
        remedy="Let html/template escape it.",
        match={"rule": _call(r"^template\.(HTML|HTMLAttr|JS|JSStr|CSS|URL|Srcset)$", _not_text())},
        effect=Effect.HOLDS,
    ),
    Rule(
        id="sql-text",
        message="a query is put together as text",
        remedy="Use parameters of the query.",
        match={
            "rule": {
                "any": [
                    {
                        "kind": "binary_expression",
                        "all": [
                            {"has": {"field": "left", "stopBy": "end", "any": _TEXT["any"], "regex": _SQL}},
                            {
                                "has": {
                                    "any": [
                                        {"kind": "identifier"},
                                        {"kind": "selector_expression"},
                                        {"kind": "call_expression"},
                                        {"kind": "index_expression"},
                                    ]
                                }
                            },
                        ],
                    },
                    _call(
                        r"^fmt\.(Sprintf|Sprint|Appendf)$",
                        {**_TEXT, "all": [{"regex": _SQL}, {"regex": "%[+#]?[svq]"}]},
                    ),
                ]
            }
        },
    ),
    Rule(
        id="open-to-all",
        message="anybody may write into this file or folder",
        remedy="Give rights to the owner: 0600 or 0700.",
        match={
            "rule": _call(
                r"^(os|ioutil|f|file)\.(Chmod|Mkdir|MkdirAll|WriteFile|OpenFile)$",
                {"kind": "int_literal", "regex": _OPEN_MODE},
            )
        },
    ),
)

PLANTED: Final = """\
package planted

import (
	"crypto/md5"
	"os/exec"
)

func Planted(text string) error {
	_ = md5.Sum([]byte(text))
	return exec.Command("sh", "-c", text).Run()
}
"""
