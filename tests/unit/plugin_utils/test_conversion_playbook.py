# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.virt_customize_lines.convert import convert
from ansible_collections.goldsmith.kvm.plugins.plugin_utils.conversion_playbook import playbook, to_yaml

TEXT = st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=30)
DATA = st.recursive(
    st.one_of(TEXT, st.booleans(), st.integers()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXT, inner)),
    max_leaves=8,
)


@given(DATA)
def test_yaml_says_the_same(data: t.Any) -> None:
    assert yaml.safe_load(to_yaml(data)) == data


@given(st.lists(st.text(alphabet="a{}%# :-'\"\\|>&*!?[],\n\t", max_size=20)))
def test_yaml_of_signs_says_the_same(data: list[str]) -> None:
    assert yaml.safe_load(to_yaml({"key": data})) == {"key": data}


def test_it_is_written_as_people_write_it() -> None:
    text = playbook(
        convert(
            """\
virt-customize -a /srv/noble.qcow2 --memsize 2048 --install nginx,vim --hostname "$HOST" --write '/etc/motd:one
two
' --truncate /etc/machine-id
virt-customize -a /srv/old/noble.qcow2 --touch '/{{ x }}'
virt-customize -a "$BASE" --touch /y
"""
        ),
        "build.sh",
    )
    assert [line for line in text.splitlines() if not line.startswith("# - ")] == (
        """\
---
# Made from build.sh by goldsmith.kvm.convert_virt_customize
# To see to:
- name: Build golden images
  hosts: localhost
  vars:
    golden_dir: /var/lib/libvirt/images/golden
  tasks:
    - name: Build noble
      goldsmith.kvm.image_customize:
        base:
          path: /srv/noble.qcow2
        dest_dir: "{{ golden_dir }}"
        name: noble
        memsize: 2048
        steps:
          - packages:
              install: [nginx, vim]
              recommends: true
          - hostname:
              name: "{{ host }}"
          - write:
              dest: /etc/motd
              content: |
                one
                two
    - name: Build noble-2
      goldsmith.kvm.image_customize:
        base:
          path: /srv/old/noble.qcow2
        dest_dir: "{{ golden_dir }}"
        name: noble-2
        steps:
          - touch:
              path: "/{{ '{{' }} x }}"
    - name: Build the golden image
      goldsmith.kvm.image_customize:
        base:
          path: "{{ base }}"
        dest_dir: "{{ golden_dir }}"
        name: "{{ base | basename | splitext | first }}"
        steps:
          - touch:
              path: /y
""".splitlines()
    )


@pytest.mark.parametrize("text", ["touch /a\n", "virt-customize -d guest --touch /a\n"])
def test_a_base_that_is_not_named_is_a_variable(text: str) -> None:
    (play,) = yaml.safe_load(playbook(convert(text), ""))
    (task,) = play["tasks"]
    assert task["goldsmith.kvm.image_customize"]["base"] == {"path": "{{ base_image }}"}
    assert task["goldsmith.kvm.image_customize"]["name"] == "golden"
