# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of cloud-init's configuration."""

from __future__ import annotations

import difflib
import typing as t

from ...common.errors import BadRequestError
from ...common.yaml_text import document, yaml_of
from ..drop_in import DROP_IN_NAME_OPTION, drop_in_name
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail
from ..values import IN_IMAGE_OPTION, public_key, require_in_image

DATASOURCES = (
    "Akamai", "AliYun", "AltCloud", "Azure", "Bigstep", "CloudCIX", "CloudSigma", "CloudStack", "ConfigDrive",
    "DigitalOcean", "Ec2", "Exoscale", "GCE", "Hetzner", "IBMCloud", "LXD", "MAAS", "NWCS", "NoCloud", "None", "OVF",
    "OpenNebula", "OpenStack", "Oracle", "RbxCloud", "Scaleway", "SmartOS", "UpCloud", "VMware", "Vultr", "WSL",
)  # fmt: skip

_TEXTS = ("content", "secret_content")
_PARTS = ("datasource_list", "ssh_authorized_keys")

_MISSING = fail("cloud-init is not installed in the image: install it by a step packages before this one")
_SCRIPT = f"[ -d /etc/cloud/cloud.cfg.d ] || {_MISSING}\n"

# cloud-init passes over a file that it cannot read, and says so only in the clone's log. Its ds-identify, which chooses
# the datasources before that, is a shell script and reads no more of YAML than `key: value` on one line.
_PARSE = r"""
export PYTHONDONTWRITEBYTECODE=1
if python3 -c 'import yaml' 2>/dev/null && ! python3 - "$FILES/config" <<'end'
import sys, yaml
try:
    found = yaml.safe_load(open(sys.argv[1], encoding="utf-8"))
except yaml.YAMLError as error:
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    sys.exit(f"cloud-init could not read this configuration: it is no YAML{where}: {getattr(error, 'problem', '')}")
if not isinstance(found, dict):
    sys.exit("cloud-init could not read this configuration: it has to be a dictionary of YAML")
listed = None
for line in open(sys.argv[1], encoding="utf-8"):
    key, colon, value = line.strip().partition("#")[0].partition(":")
    if key == "datasource_list" and colon and value[:1] in ("", " "):
        value = value.removeprefix(" ").removeprefix("[").removesuffix("]")
        listed = [name.strip().strip("\"'") for name in value.split(",") if name.strip()]
if "datasource_list" in found and listed != found["datasource_list"]:
    print("cloud-init's ds-identify, which reads single lines, would not find this datasource_list", file=sys.stderr)
    sys.exit("write it on one line, without a comment, such as datasource_list: [NoCloud, None]")
end
then
    exit 1
fi
"""


def _check(options: Options) -> Options:
    checked: dict[str, t.Any] = {**options, "name": drop_in_name("name", options["name"])}
    if not any(option in options for option in ("config", *_TEXTS)) and not any(options[part] for part in _PARTS):
        raise BadRequestError(
            "there is nothing to do", "Give config, content, secret_content, datasource_list or ssh_authorized_keys"
        )
    for part in _PARTS:
        for other in _TEXTS:
            if options[part] and other in options:
                raise BadRequestError(f"{part} cannot stand beside {other}", f"Write it into {other}, or use config")
        if options[part] and part in options.get("config", {}):
            raise BadRequestError(f"{part} is given twice, of its own and in config", "Leave out one of them")
    if "config" in options:
        checked["config"] = document("config", options["config"])
    for text in _TEXTS:
        if text in options and (not options[text].strip() or "\0" in options[text]):
            raise BadRequestError(f"{text} is empty or holds a NUL byte")
    if "secret_content" in options:
        require_in_image(options, "secret_content")
    checked["datasource_list"] = [_datasource(name) for name in options["datasource_list"]]
    checked["ssh_authorized_keys"] = [public_key("ssh_authorized_keys", key) for key in options["ssh_authorized_keys"]]
    return checked


def _datasource(name: str) -> str:
    if name in DATASOURCES:
        return name
    folded = {known.lower(): known for known in DATASOURCES}
    near = difflib.get_close_matches(name.lower(), folded, n=1)
    raise BadRequestError(
        f"datasource_list has {name!r}, which is no datasource of cloud-init"
        + (f"; {folded[near[0]]} is" if near else ""),
        f"There are {', '.join(DATASOURCES)}; one of your own can stand in config: {{datasource_list: […]}}",
    )


def _render(options: Options) -> tuple[Operation, ...]:
    text = options.get("secret_content", options.get("content"))
    script = _SCRIPT
    if text is None:
        config = {**options.get("config", {}), **{part: options[part] for part in _PARTS if options[part]}}
        text = yaml_of(config, "# By goldsmith.kvm.")
    else:
        text = text if text.endswith("\n") else text + "\n"
        script += _PARSE
    mode = "0600" if "secret_content" in options else "0644"
    dest = f"/etc/cloud/cloud.cfg.d/{options['name']}.cfg"
    return (Run(script + f'install -T -m {mode} "$FILES/config" {dest}\n', contents={"config": text}),)


KIND = StepKind(
    name="cloud_config",
    description="""
        Put a part of the configuration of C(cloud-init) into C(/etc/cloud/cloud.cfg.d). A file of the same name is
        replaced.

        Of two files that set the same key the one that sorts last counts, and a clone's own user data counts before
        both; lists are not joined.
    """,
    options={
        "name": {
            **DROP_IN_NAME_OPTION,
            "description": """
                Name of the file without C(.cfg), such as V(95-site). Those of Debian and Ubuntu begin with V(05) to
                V(90).
            """,
        },
        "config": {
            "type": "dict",
            "description": "The configuration, such as V({manage_etc_hosts: true}). It stands in the build record.",
        },
        "content": {
            "type": "str",
            "description": """
                The same, as text: YAML, which is tried by the image's own Python. C(datasource_list) has to stand on
                one line there, without a comment, such as V(datasource_list: [NoCloud, None]).
            """,
        },
        "secret_content": {
            "type": "str",
            "no_log": True,
            "description": """
                The same, as a text with secrets. It stands in no log and no record, and in the image it can be read
                by root, and by everybody who has the image: say O(in_image=true) if that is meant.
            """,
        },
        "in_image": IN_IMAGE_OPTION,
        "datasource_list": {
            "type": "list",
            "elements": "str",
            "default": [],
            "description": """
                Where C(cloud-init) looks for a clone's own data, in this order, such as V([NoCloud, None]). With fewer
                of them a clone boots faster, and takes no data from where none should come.
            """,
        },
        "ssh_authorized_keys": {
            "type": "list",
            "elements": "str",
            "default": [],
            "no_log": False,
            "description": """
                Public keys for the user that C(cloud-init) makes at the first boot, such as C(ubuntu). A clone whose
                user data has this key, too, gets only those of its user data.
            """,
        },
    },
    rules={"mutually_exclusive": [["config", "content", "secret_content"]]},
    check=_check,
    render=_render,
    example="""\
- cloud_config:
    name: 95-site
    datasource_list: [NoCloud, None]
    ssh_authorized_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com
    config:
      manage_etc_hosts: true
      preserve_hostname: false
""",
)
