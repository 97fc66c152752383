# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of /etc/default/grub.d, read by a shell as grub-mkconfig reads them; and the steps that write them."""

from __future__ import annotations

import re
import subprocess
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.errors import BadRequestError
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe import grub
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.operations import Run
from ansible_collections.goldsmith.kvm.plugins.module_utils.recipe.parse import parse_steps

UUID = "0b5c"


def sourced(text: str, before: str = "") -> dict[str, str]:
    """The variables of GRUB after the file was read, by ``sh -e`` as in grub-mkconfig."""
    names = ("GRUB_DEFAULT", "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT")
    told = "\n".join(f'printf "%s\\n" "{name}=${{{name}-}}"' for name in names)
    script = f"GRUB_DEVICE=/dev/vda1 GRUB_DEVICE_UUID={UUID}\n{before}\n{text}\n{told}\n"
    done = subprocess.run(["sh", "-e", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def default(text: str, kernels: list[str], before: str = "") -> str:
    with tempfile.TemporaryDirectory() as boot:
        for kernel in kernels:
            Path(boot, f"vmlinuz-{kernel}").touch()
        return sourced(text.replace("/boot", boot), before)["GRUB_DEFAULT"]


@pytest.mark.parametrize(
    ("flavour", "kernels", "chosen"),
    [
        ("generic", ["6.8.0-9-generic", "6.8.0-10-generic", "6.9.0-1-lowlatency"], "6.8.0-10-generic"),
        ("amd64", ["6.1.0-9-amd64", "6.1.0-10-cloud-amd64", "6.1.0-11-rt-amd64"], "6.1.0-9-amd64"),
        ("cloud-amd64", ["6.12.43+deb13-cloud-amd64", "6.12.48+deb13-cloud-amd64"], "6.12.48+deb13-cloud-amd64"),
        ("amd64", ["6.1.0-56-amd64", "6.12.43+deb13-amd64", "6.12.99+deb13-cloud-amd64"], "6.12.43+deb13-amd64"),
        ("aws", ["6.8.0-1016-aws", "6.8.0-1016-aws.old"], "6.8.0-1016-aws"),
        ("generic", ["6.8.0-9-lowlatency"], ""),
        ("generic", [], ""),
    ],
)
def test_the_newest_of_a_flavour(flavour: str, kernels: list[str], chosen: str) -> None:
    entry = f"gnulinux-advanced-{UUID}>gnulinux-{chosen}-advanced-{UUID}" if chosen else ""
    assert default(grub.default_flavour(flavour), kernels) == entry


def test_one_version() -> None:
    text = grub.default_kernel("6.8.0-9-generic")
    kernels = ["6.8.0-9-generic", "6.8.0-10-generic"]
    name = f"gnulinux-6.8.0-9-generic-advanced-{UUID}"
    assert default(text, kernels) == f"gnulinux-advanced-{UUID}>{name}"
    for word in ("y", "yes", "true"):
        assert default(text, kernels, f"GRUB_DISABLE_SUBMENU={word}") == name
    # What is no longer there is not asked for: GRUB keeps to what was said before.
    assert default(text, kernels[1:], "GRUB_DEFAULT=0") == "0"


words = st.from_regex(r"[a-z_][a-z.]{0,3}(=[A-Za-z0-9_.,:=/+@%!~-]{0,6})?", fullmatch=True)
lines = st.lists(words | st.sampled_from(["*", "[a-z]", "$HOME", "-n", "quiet", "console=tty1"]), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    always=lines,
    usual=lines,
    append=st.lists(words, max_size=3),
    remove=st.lists(words, max_size=3),
    usually=st.booleans(),
)
def test_arguments(always: list[str], usual: list[str], append: list[str], remove: list[str], usually: bool) -> None:
    before = f"GRUB_CMDLINE_LINUX='{' '.join(always)}'\nGRUB_CMDLINE_LINUX_DEFAULT='{' '.join(usual)}'\n"
    found = sourced(grub.command_line(append, remove, linux_default=usually), before)

    def kept(given_words: list[str]) -> list[str]:
        gone = {word for word in remove if "=" not in word}
        return [word for word in given_words if word not in remove and word.partition("=")[0] not in gone]

    assert found["GRUB_CMDLINE_LINUX"].split() == kept(always) + ([] if usually else append)
    assert found["GRUB_CMDLINE_LINUX_DEFAULT"].split() == kept(usual) + (append if usually else [])


def test_replacing_takes_every_argument_of_the_name_away() -> None:
    (step,) = parse_steps([{"kernel_cmdline": {"replace": ["console=ttyS0", "console=tty0"], "remove": ["quiet"]}}])
    (run,) = step.operations({}).operations
    assert isinstance(run, Run)
    found = sourced(run.contents["drop-in"], "GRUB_CMDLINE_LINUX_DEFAULT='quiet console=ttyS1,9600 ro'")
    assert found["GRUB_CMDLINE_LINUX"].split() == ["console=ttyS0", "console=tty0"]
    assert found["GRUB_CMDLINE_LINUX_DEFAULT"].split() == ["ro"]


@pytest.mark.parametrize(
    ("kind", "options", "cause"),
    [
        ("kernel", {}, "one of the following is required: package, version"),
        ("kernel", {"package": "a1", "version": "6.8.0-1-x"}, "mutually exclusive"),
        ("kernel", {"package": "linux image"}, "not the name of a package"),
        ("kernel", {"version": "6.8"}, "version is not that of a kernel"),
        ("kernel", {"version": "6.8.0-45-generic; id"}, "version is not that of a kernel"),
        ("kernel", {"version": "linux-image-6.8.0-45-generic"}, "version is not that of a kernel"),
        ("kernel", {"version": "6.8.0-45-generic\n"}, "version is not that of a kernel"),
        ("kernel_cmdline", {}, "there is nothing to do"),
        ("kernel_cmdline", {"append": ["a b"]}, "append has 'a b'"),
        ("kernel_cmdline", {"append": ["-a"]}, "append has '-a'"),
        ("kernel_cmdline", {"append": ['a="b c"']}, "append has"),
        ("kernel_cmdline", {"append": ["memmap=1G$2G"]}, "append has"),
        ("kernel_cmdline", {"append": ["a\n"]}, "append has"),
        ("kernel_cmdline", {"replace": ["a=ä"]}, "replace has"),
        ("kernel_cmdline", {"remove": ["a;b"]}, "remove has"),
        ("kernel_cmdline", {"append": ["a"], "name": "../x"}, "name cannot be"),
        ("kernel_cmdline", {"append": ["a", "b"], "remove": ["b"]}, "b cannot be both added and removed"),
    ],
)
def test_what_is_refused(kind: str, options: dict[str, t.Any], cause: str) -> None:
    with pytest.raises(BadRequestError, match=re.escape(cause)):
        parse_steps([{kind: options}])
