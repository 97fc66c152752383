# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: image_outputs
short_description: Where the other formats of a golden image are written
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
positional: path
description:
  - Makes the O(goldsmith.kvm.image_convert#module:outputs) of M(goldsmith.kvm.image_convert) from formats that are to
    lie beside a published golden image, under its name.
options:
  _input:
    description:
      - Formats, each a dictionary of O(goldsmith.kvm.image_convert#module:outputs), without C(dest).
      - C(suffix) is the end of the file's name, such as V(vmdk). Without it, that is the format, and for V(qcow2)
        C(converted.qcow2), because the golden image itself is one.
    type: list
    elements: dict
    required: true
  path:
    description: Path of the published image, C(NAME-SERIAL-FINGERPRINT.qcow2).
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Show where they would be
  ansible.builtin.debug:
    msg: "{{ [{'format': 'vmdk'}] | goldsmith.kvm.image_outputs('/srv/golden/web-1-1a2b3c4d.qcow2') }}"
"""

RETURN = r"""
_value:
  description: The outputs.
  type: list
  elements: dict
  sample:
    - format: vmdk
      dest: /srv/golden/web-1-1a2b3c4d.vmdk
"""

_SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_QCOW2 = ".qcow2"


def image_outputs(formats: Iterable[Mapping[str, t.Any]], path: str) -> list[dict[str, t.Any]]:
    """The outputs for ``image_convert``; see DOCUMENTATION."""
    if isinstance(formats, (str, Mapping)) or not hasattr(formats, "__iter__"):
        raise AnsibleFilterError(f"formats of an image are not a list: {formats!r}. Write them as [{{format: vmdk}}].")
    outputs = [_output(wanted, path.removesuffix(_QCOW2)) for wanted in formats]
    places = [output["dest"] for output in outputs]
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        raise AnsibleFilterError(
            f"two formats would be written to {', '.join(twice)}. Give one a suffix, such as suffix: small.vmdk."
        )
    return outputs


def _output(wanted: Mapping[str, t.Any], stem: str) -> dict[str, t.Any]:
    if not isinstance(wanted, Mapping) or not wanted.get("format"):
        raise AnsibleFilterError(
            f"a format of an image is not a dictionary with format: {wanted!r}. Write it as {{format: vmdk}}."
        )
    if "dest" in wanted:
        raise AnsibleFilterError(
            "a format of an image has dest, but is written beside the image. Give a suffix, or call image_convert."
        )
    suffix = str(wanted.get("suffix") or ("converted.qcow2" if wanted["format"] == "qcow2" else wanted["format"]))
    if not _SUFFIX.fullmatch(suffix) or suffix in ("qcow2", "qcow2.json", "qcow2.log"):
        raise AnsibleFilterError(
            f"suffix is no good end for a file's name beside the image: {suffix!r}. Give one such as small.vmdk."
        )
    return {**{key: value for key, value in wanted.items() if key != "suffix"}, "dest": f"{stem}.{suffix}"}


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"image_outputs": image_outputs}
