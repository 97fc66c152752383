# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate authorities that the image trusts."""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex

from ...common.errors import BadRequestError
from ..model import FILE, Options, StepKind
from ..operations import Operation, Run
from ..shell import require_program
from ..values import REMOTE_SRC_OPTION, single_line

_DIRECTORY = "/usr/local/share/ca-certificates"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_BUNDLE = ".bundle-"
"""Between name and number of a file's certificates where it has several; no name has it, so that none is another's."""
_BEGIN = "-----BEGIN CERTIFICATE-----"


def _check(options: Options) -> Options:
    given = options.get("src") or options.get("content") or []
    if not given:
        raise BadRequestError("there is no certificate", "Give src or content")
    for text in options.get("content") or []:
        _check_content(text)
    for source in options.get("src") or []:
        single_line("src", source)
    names = options.get("names") or [_name(options, value) for value in given]
    if len(names) != len(given):
        raise BadRequestError(
            f"there are {len(names)} names for {len(given)} certificates", "Give one for each, or none"
        )
    for name in names:
        if not _NAME.fullmatch(name):
            raise BadRequestError(
                f"{name!r} cannot be the name of a certificate", "Give names of letters, digits, `_`, `-` and `.`"
            )
        if _BUNDLE in name:
            raise BadRequestError(
                f"{name!r} cannot be the name of a certificate: {_BUNDLE}1 and so on is for those of one file",
                "Give another name in names",
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadRequestError(f"two certificates are called {', '.join(twice)}", "Give each a name of its own in names")
    return {**options, "names": names}


def _check_content(text: str) -> None:
    if "PRIVATE KEY" in text:
        raise BadRequestError("content has a private key", "Give the certificate alone; its key stays where it is")
    if _BEGIN not in text or "\0" in text:
        raise BadRequestError(
            f"content has no certificate in the PEM format: {text[:40]!r}",
            f"Give the text that begins with {_BEGIN}, or name its file in src",
        )


def _name(options: Options, value: str) -> str:
    if "src" in options:
        return re.sub(r"[^A-Za-z0-9_.-]", "_", posixpath.splitext(posixpath.basename(value))[0])
    return f"goldsmith-{hashlib.sha256(value.strip().encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _render(options: Options) -> tuple[Operation, ...]:
    names = options["names"]
    files = dict(zip((f"{name}.given" for name in names), options.get("src") or []))
    contents = {} if files else dict(zip((f"{name}.given" for name in names), options["content"]))
    # update-ca-certificates takes one certificate from each file, and passes over files that have several.
    script = f"""\
{require_program("update-ca-certificates", "ca-certificates")}{require_program("openssl", "openssl")}\
refuse() {{
    echo "$1" >&2
    exit 1
}}
install -d -m 0755 {_DIRECTORY}
for name in {shlex.join(names)}; do
    rm -f -- {_DIRECTORY}/"$name".crt {_DIRECTORY}/"$name"{_BUNDLE}*.crt
done
for name in {shlex.join(names)}; do
    if grep -q 'PRIVATE KEY-----' "$FILES/$name.given"; then
        refuse "$name has a private key: give the certificate alone"
    fi
    count=$(grep -c '^{_BEGIN}' "$FILES/$name.given") || count=0
    if [ "$count" = 0 ]; then
        openssl x509 -inform DER -in "$FILES/$name.given" -out {_DIRECTORY}/"$name".crt 2>/dev/null ||
            refuse "$name is not a certificate, in the format PEM or DER"
        continue
    fi
    number=0
    while [ "$number" -lt "$count" ]; do
        number=$((number + 1))
        crt={_DIRECTORY}/$name.crt
        [ "$count" = 1 ] || crt={_DIRECTORY}/$name{_BUNDLE}$number.crt
        tr -d '\\r' <"$FILES/$name.given" | awk -v wanted="$number" '
            /^{_BEGIN}/ {{ number += 1 }}
            number == wanted
            /^-----END CERTIFICATE-----/ && number == wanted {{ exit }}
        ' >"$crt"
        openssl x509 -noout -in "$crt" 2>/dev/null || refuse "certificate $number of $name is damaged"
    done
done
chmod 0644 {_DIRECTORY}/*.crt
update-ca-certificates
"""
    return (Run(script, files=files, contents=contents),)


KIND = StepKind(
    name="ca_certificates",
    description="""
        Trust certificate authorities: their certificates are put into C(/usr/local/share/ca-certificates), and
        C(update-ca-certificates) adds them to those that the system's programs trust. The package C(ca-certificates)
        has to be installed.
    """,
    options={
        "src": {
            "type": "list",
            "elements": "str",
            "description": """
                Files with certificates, in the format PEM or DER, which are found as in C(upload). A file may hold
                several: C(NAME.bundle-1.crt) and so on.
            """,
        },
        "remote_src": REMOTE_SRC_OPTION,
        "content": {
            "type": "list",
            "elements": "str",
            "description": "Certificates as text, in the format PEM.",
        },
        "names": {
            "type": "list",
            "elements": "str",
            "description": """
                What each is called in the image, without C(.crt). Without it, as its file is called, or by a digest.
                One of the same name that is there is replaced, and no other.
            """,
        },
    },
    files={"src": FILE},
    rules={"mutually_exclusive": [["src", "content"]], "required_one_of": [["src", "content"]]},
    example="""\
- ca_certificates:
    src: [example-root-ca.pem]
""",
    check=_check,
    render=_render,
)
