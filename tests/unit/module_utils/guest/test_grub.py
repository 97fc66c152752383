# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.guest.grub import (
    default_entry,
    parse_environment,
    parse_menu,
)
from ansible_collections.goldsmith.kvm.plugins.module_utils.guest.kernels import version_key

# The shape of what grub-mkconfig 2.12 writes.
MENU = """\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="@DEFAULT@"
fi
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
function gfxmode {
\tset gfxpayload="${1}"
}
menuentry 'Ubuntu' --class ubuntu --class os $menuentry_id_option 'gnulinux-simple-1' {
\trecordfail
\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
\tsearch --no-floppy --label cloudimg-rootfs --set=root
\tlinux\t/vmlinuz-6.8.0-45-generic root=LABEL=cloudimg-rootfs ro  console=tty1
\tinitrd\t/initrd.img-6.8.0-45-generic
}
submenu 'Advanced options for Ubuntu' $menuentry_id_option 'gnulinux-advanced-1' {
\tmenuentry 'Ubuntu, with Linux 6.8.0-45-generic' --class os $menuentry_id_option 'gnulinux-6.8.0-45-advanced-1' {
\t\tlinux\t/vmlinuz-6.8.0-45-generic root=LABEL=cloudimg-rootfs ro
\t}
\tmenuentry "Ubuntu, with Linux 6.8.0-31-generic" --id gnulinux-6.8.0-31-advanced-1 {
\t\tlinux\t/vmlinuz-6.8.0-31-generic root=LABEL=cloudimg-rootfs \\
\t\t\tro single
\t}
}
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
\tfwsetup
}
"""
NEWEST, OLDER = "/vmlinuz-6.8.0-45-generic", "/vmlinuz-6.8.0-31-generic"


def booted(default: str, **environment: str) -> str:
    entry = default_entry(parse_menu(MENU.replace("@DEFAULT@", default), environment), environment)
    return entry.kernel if entry else ""


@pytest.mark.parametrize(
    ("default", "kernel"),
    [
        ("0", NEWEST),
        ("gnulinux-simple-1", NEWEST),
        ("1>1", OLDER),
        ("1>gnulinux-6.8.0-31-advanced-1", OLDER),
        ("gnulinux-advanced-1>gnulinux-6.8.0-31-advanced-1", OLDER),
        ("Advanced options for Ubuntu>Ubuntu, with Linux 6.8.0-31-generic", OLDER),
        ("1", NEWEST),
        ("2", ""),
        ("9", NEWEST),
        ("no such entry", NEWEST),
        ("1>no such entry", NEWEST),
        ("${saved_entry}", NEWEST),
    ],
)
def test_the_default(default: str, kernel: str) -> None:
    assert booted(default) == kernel


def test_what_the_environment_says() -> None:
    assert booted("${saved_entry}", saved_entry="1>1") == OLDER
    assert booted("0", saved_entry="1>1") == NEWEST
    assert booted("0", next_entry="1>1") == OLDER
    assert booted("1>1", next_entry="") == OLDER


def test_arguments_of_a_continued_line() -> None:
    entry = default_entry(parse_menu(MENU.replace("@DEFAULT@", "1>1"), {}), {})
    assert entry is not None
    assert entry.title == "Ubuntu, with Linux 6.8.0-31-generic"
    assert entry.arguments == "root=LABEL=cloudimg-rootfs ro single"


def test_a_menu_by_hand() -> None:
    entry = default_entry(parse_menu('set timeout=0\nmenuentry "Linux" {\n  linux /vmlinuz ro\n}\n', {}), {})
    assert entry is not None
    assert (entry.title, entry.kernel, entry.arguments) == ("Linux", "/vmlinuz", "ro")
    assert default_entry(parse_menu("set default=0\n", {}), {}) is None


def test_an_environment_block() -> None:
    text = "# GRUB Environment Block\nsaved_entry=1>2\nnext_entry=\n" + "#" * 900
    assert parse_environment(text) == {"saved_entry": "1>2", "next_entry": ""}
    assert parse_environment("saved_entry=1\n") == {}


# The shape of what Ubuntu's 10_linux writes with GRUB_FORCE_PARTUUID, as minimal images and those for KVM have it.
WITHOUT_INITRD = """\
function initrdfail {
    if [ -n "${have_grubenv}" ]; then if [ -n "${partuuid}" ]; then
      if [ -z "${initrdfail}" ]; then
        set initrdfail=1
      fi
      save_env initrdfail
    fi; fi
}
menuentry 'Ubuntu' --class ubuntu $menuentry_id_option 'gnulinux-simple-1' {
\trecordfail
\tif [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
\tif [ x$feature_platform_search_hint = xy ]; then
\t  search --no-floppy --label --set=root --hint-bios=hd0,gpt1  cloudimg-rootfs
\telse
\t  search --no-floppy --label --set=root cloudimg-rootfs
\tfi
\tif [ "${initrdfail}" = 1 ]; then
\t  echo\t'GRUB_FORCE_PARTUUID set, initrdless boot failed. Attempting with initrd.'
\t  linux\t/boot/vmlinuz-6.8.0-45-generic root=LABEL=cloudimg-rootfs ro  console=ttyS0
\t  initrd\t/boot/initrd.img-6.8.0-45-generic
\telse
\t  echo\t'GRUB_FORCE_PARTUUID set, attempting initrdless boot.'
\t  linux\t/boot/vmlinuz-6.8.0-45-generic root=PARTUUID=0a-1 ro  console=ttyS0 panic=-1
\tfi
\tinitrdfail
}
"""


@pytest.mark.parametrize(
    ("environment", "arguments"),
    [
        ({}, "root=PARTUUID=0a-1 ro console=ttyS0 panic=-1"),
        ({"initrdfail": ""}, "root=PARTUUID=0a-1 ro console=ttyS0 panic=-1"),
        ({"initrdfail": "1"}, "root=LABEL=cloudimg-rootfs ro console=ttyS0"),
    ],
)
def test_a_boot_without_an_initial_ram_disk(environment: dict[str, str], arguments: str) -> None:
    entry = default_entry(parse_menu(WITHOUT_INITRD, environment), environment)
    assert entry is not None
    assert (entry.kernel, entry.arguments) == ("/boot/vmlinuz-6.8.0-45-generic", arguments)


def test_of_branches_that_are_not_understood_the_first_counts() -> None:
    asked = "if [ x$a = xb ]; then\n linux /1\nelif [ x$a = xc ]; then\n linux /2\nelse\n linux /3\nfi"
    entry = default_entry(parse_menu(f"menuentry a {{\n{asked}\n}}\n", {}), {})
    assert entry is not None and entry.kernel == "/1"


@given(st.text(), st.text())
def test_nothing_is_too_odd(text: str, default: str) -> None:
    default_entry(parse_menu(text, {}), {"next_entry": default})
    default_entry(parse_menu(MENU.replace("@DEFAULT@", default), {}), parse_environment(text))


def test_versions_sort_by_their_numbers() -> None:
    versions = ["6.8.0-31-generic", "6.8.0-100-generic", "6.8.0-45-generic", "5.15.0-1-generic", "6.11.0-9-cloud-amd64"]
    assert sorted(versions, key=version_key) == [versions[3], versions[0], versions[2], versions[1], versions[4]]


@given(st.lists(st.text(alphabet="0123456789.-abc~+", max_size=12)))
def test_any_versions_can_be_sorted(versions: list[str]) -> None:
    sorted(versions, key=version_key)
