"""What is risky in JavaScript and TypeScript: code from text, shells, pages, certificates, old ciphers.

A function that is renamed when it is imported, or looked up by a text, would hide its calls from the rules,
so that is held.
"""

from typing import Any, Final

from pev.findings import Effect
from pev.gate.patterns import Rule

_LITERAL: Final = {
    "any": [
        {"kind": "string"},
        {"kind": "template_string", "not": {"has": {"kind": "template_substitution"}}},
        {"kind": "number"},
        {"kind": "comment"},
    ]
}
_TEXT: Final = {"nthChild": 1, "any": [{"kind": "string"}, {"kind": "template_string"}]}
_SHELLS: Final = r"""^["'`](.*/)?(sh|bash|dash|zsh|ksh|cmd|cmd\.exe|powershell|pwsh)(\.exe)?["'`]$"""
_CHILD: Final = r"(child_process|childProcess|cp|child|require\([\"'](node:)?child_process[\"']\))"
_RUNNERS: Final = r"spawn|spawnSync|execFile|execFileSync|fork|execa|execaSync"
_SQL: Final = (
    r"(?is)^[\"'`]\s*(select\s.*\sfrom|insert\s+into|update\s.*\sset|delete\s+from|drop\s|alter\s)\b"
)
_HIDDEN: Final = (
    r"^[\"'`](exec|execSync|eval|Function|constructor|runInThisContext|runInNewContext|dlopen|binding)[\"'`]$"
)
_RISKY_MODULES: Final = r"^[\"'](node:)?(child_process|vm|module)[\"']$"


def _call(function: str, *arguments: dict[str, Any], kind: str = "call_expression") -> dict[str, Any]:
    """Match calls of what has a name, with arguments of which each rule matches one."""
    field = "function" if kind == "call_expression" else "constructor"
    wanted = [{"has": {"field": "arguments", "has": one}} for one in arguments]
    named = {"kind": kind, "has": {"field": field, "regex": function}}
    return named | ({"all": wanted} if wanted else {})


def _made(place: int = 0) -> dict[str, Any]:
    """Match a value that is put together at run time; `place` counts the arguments from 1, 0 means any."""
    value: dict[str, Any] = {"all": [{"regex": r"[^(),\s]"}, {"not": _LITERAL}]}
    return value | ({"nthChild": place} if place else {})


def _pair(key: str, value: str) -> dict[str, Any]:
    named = {"has": {"field": "key", "regex": rf"^[\"']?({key})[\"']?$"}}
    return {"kind": "pair", "all": [named, {"has": {"field": "value", "regex": value}}]}


def _assigned(target: str, value: dict[str, Any]) -> dict[str, Any]:
    left = {"has": {"field": "left", "regex": target}}
    kinds = [{"kind": "assignment_expression"}, {"kind": "augmented_assignment_expression"}]
    return {"any": kinds, "all": [left, {"has": {"field": "right", **value}}]}


RULES: Final = (
    Rule(
        id="code-from-text",
        message="text is run as code",
        remedy="Parse the data, or call a function by its name.",
        match={
            "rule": {
                "any": [
                    _call(r"^((globalThis|window|global|self)\??\.)?(eval|Function)$"),
                    _call(r"^\(0,\s*eval\)$"),
                    _call(r"^((globalThis|window|global|self)\.)?Function$", kind="new_expression"),
                    _call(r"^((globalThis|window)\.)?(setTimeout|setInterval|setImmediate)$", _TEXT),
                    _call(r"\bvm\.(runIn\w+|compileFunction)$"),
                    _call(r"^(vm\.)?(Script|SourceTextModule)$", _made(1), kind="new_expression"),
                    _call(r"\.constructor\.constructor$"),
                ]
            }
        },
    ),
    Rule(
        id="shell-command",
        message="a shell runs text that is put together at run time",
        remedy="Use execFile or spawn with a list of arguments, and no shell.",
        match={
            "rule": {
                "any": [
                    _call(rf"^({_CHILD}\.)?(exec|execSync)$", _made(1)),
                    _call(
                        r"^(execAsync|execP|execPromise|asyncExec|promisifiedExec|shelljs\.exec|shell\.exec)$",
                        _made(1),
                    ),
                    _call(rf"(^|\.)({_RUNNERS})$", {"nthChild": 1, "regex": _SHELLS}, _made()),
                    _call(
                        rf"(^|\.)({_RUNNERS})$",
                        {"has": _pair("shell", r"^(true|[\"'`].*)$"), "kind": "object"},
                        {"all": [_made(), {"not": {"kind": "object"}}]},
                    ),
                ]
            }
        },
    ),
    Rule(
        id="variable-command",
        message="the program that is started is chosen at run time",
        remedy="Write the program's name out.",
        match={
            "rule": {
                **_call(rf"(^|\.)({_RUNNERS})$", _made(1)),
                "not": {"regex": r"\(\s*process\.execPath\b"},
            }
        },
        effect=Effect.HOLDS,
    ),
    Rule(
        id="certificate-not-verified",
        message="TLS certificates are not verified",
        remedy="Leave it out; trust a certificate by the option `ca`.",
        match={
            "rule": {
                "any": [
                    _pair("rejectUnauthorized", r"^(false|0|!1)$"),
                    _pair("strictSSL|strictSsl", r"^(false|0|!1)$"),
                    _assigned(r"rejectUnauthorized[\"']?\]?$", {"regex": r"^(false|0|!1)$"}),
                    _assigned(r"NODE_TLS_REJECT_UNAUTHORIZED", {"regex": r"."}),
                    _pair("NODE_TLS_REJECT_UNAUTHORIZED", r"."),
                ]
            }
        },
    ),
    Rule(
        id="token-not-verified",
        message="a signed token is accepted without its signature, or after it ran out",
        remedy="Verify it with a key and a fixed list of algorithms.",
        match={
            "rule": {
                "any": [
                    _pair("algorithms?", r"(?i)[\"'`]none[\"'`]"),
                    _pair("ignoreExpiration|ignoreNotBefore", r"^true$"),
                    _call(
                        r"(?i)^(jwt|jsonwebtoken)\.verify$",
                        {"nthChild": 2, "regex": r"^(null|undefined|false|''|\"\"|``)$"},
                    ),
                ]
            }
        },
    ),
    Rule(
        id="token-only-read",
        message="a signed token is read without being verified",
        remedy="Use `verify`, unless nobody relies on what it says.",
        match={"rule": _call(r"(?i)^(jwt|jsonwebtoken)\.decode$|^(jwtDecode|jwt_decode|decodeJwt)$")},
        effect=Effect.HOLDS,
    ),
    Rule(
        id="old-cipher",
        message="a cipher that is broken",
        remedy="Use createCipheriv with aes-256-gcm.",
        match={
            "rule": {
                "any": [
                    _call(r"(^|\.)(createCipher|createDecipher)$"),
                    _call(
                        r"(^|\.)(createCipheriv|createDecipheriv)$",
                        {"nthChild": 1, "regex": r"(?i)^[\"'`](des|rc4|rc2|bf|blowfish|.*-ecb)"},
                    ),
                ]
            }
        },
    ),
    Rule(
        id="old-hash",
        message="a hash that does not keep apart what an attacker chooses",
        remedy="Use sha256 or later; for passwords scrypt or argon2.",
        match={
            "rule": _call(
                r"(^|\.)(createHash|createHmac|hash)$",
                {"nthChild": 1, "regex": r"(?i)^[\"'`](md4|md5|sha1|sha-1|ripemd160|rmd160)[\"'`]$"},
            )
        },
        effect=Effect.HOLDS,
    ),
    Rule(
        id="query-from-parts",
        message="a database query is put together from text",
        remedy="Write placeholders, and give the values apart.",
        match={
            "rule": _call(
                r"\.(query|execute|raw|exec|all|get|run|\$queryRawUnsafe|\$executeRawUnsafe|unsafe)$",
                {
                    "nthChild": 1,
                    "any": [
                        {"kind": "template_string", "regex": _SQL, "has": {"kind": "template_substitution"}},
                        {"kind": "binary_expression", "regex": _SQL},
                    ],
                },
            )
        },
    ),
    Rule(
        id="page-from-text",
        message="text becomes part of a page unescaped",
        remedy="Use textContent, or what the framework escapes by itself.",
        match={
            "rule": {
                "any": [
                    _assigned(r"\.(innerHTML|outerHTML|srcdoc)$", {"not": _LITERAL}),
                    _call(r"\.insertAdjacentHTML$", _made(2)),
                    _call(r"^(window\.)?document\.writeln?$", _made(1)),
                    {
                        "kind": "property_identifier",
                        "regex": r"^(dangerouslySetInnerHTML|bypassSecurityTrust\w+)$",
                    },
                ]
            }
        },
        effect=Effect.HOLDS,
    ),
    Rule(
        id="variable-module",
        message="the module that is loaded is chosen at run time",
        remedy="Write the module's name out.",
        match={
            "rule": {
                "any": [
                    _call(r"^(require|module\.require|createRequire\(.*\))$", _made(1)),
                    _call(r"^import$", _made(1)),
                    _call(r"^import$", {"nthChild": 1, "regex": r"^[\"'`]data:"}),
                ]
            }
        },
        effect=Effect.HOLDS,
    ),
    Rule(
        id="hidden-call",
        message="a risky function gets another name, or is looked up by a text, where no rule sees its calls",
        remedy="Call it by its own name.",
        match={
            "rule": {
                "any": [
                    {
                        "kind": "import_specifier",
                        "has": {"field": "alias", "regex": "."},
                        "inside": {
                            "kind": "import_statement",
                            "stopBy": "end",
                            "has": {"field": "source", "regex": _RISKY_MODULES},
                        },
                    },
                    {"kind": "subscript_expression", "has": {"field": "index", "regex": _HIDDEN}},
                    {
                        "kind": "subscript_expression",
                        "all": [
                            {
                                "has": {
                                    "field": "object",
                                    "regex": r"^(globalThis|global|window|self|require)$",
                                }
                            },
                            {"has": {"field": "index", "not": _LITERAL}},
                        ],
                    },
                    {
                        "kind": "variable_declarator",
                        "has": {"field": "value", "regex": r"^(eval|Function|require)$"},
                    },
                    _assigned(r".", {"regex": r"^(eval|Function)$"}),
                    _call(r"^process\.(binding|dlopen|_linkedBinding)$"),
                    _pair("eval", r"^true$"),
                ]
            }
        },
        effect=Effect.HOLDS,
    ),
)

PLANTED: Final = """\
const { exec } = require("child_process");
exec("ls " + process.argv[2]);
eval(process.argv[3]);
"""
