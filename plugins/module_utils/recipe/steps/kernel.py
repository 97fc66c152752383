# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel that machines boot."""

from __future__ import annotations

import re

from ...common.errors import BadRequestError
from .. import apt, grub
from ..model import Options, StepKind
from ..operations import Operation, Run
from ..shell import fail

_DROP_IN = "/etc/default/grub.d/90-goldsmith-kernel.cfg"
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~]*(?:-[A-Za-z0-9.+~]+)+")


def _check(options: Options) -> Options:
    if "package" in options:
        apt.packages("package", [options["package"]])
    version = options.get("version")
    if version is not None and not _VERSION.fullmatch(version):
        raise BadRequestError(
            f"version is not that of a kernel: {version!r}",
            "Write it as `uname -r` does, such as 6.8.0-45-generic, or give the name of a package as package",
        )
    return options


def _render(options: Options) -> tuple[Operation, ...]:
    package = options.get("package") or f"linux-image-{options['version']}"
    name = re.split("[=/^]", package)[0]
    install = f"{apt.UPDATE}{apt.install([package])}"
    if "version" in options:
        # A version does not change once it is there.
        state = f"$(dpkg-query --show --showformat '${{db:Status-Status}}' -- {name} 2>/dev/null)"
        install = f'if [ "{state}" != installed ]; then\n{install}fi\n'
    script = apt.BEGIN + install + _find(name, follow=package == name)
    contents = {}
    if options["hold"]:
        script += f'apt-mark hold -- {name} "$image"\n'
    if options["default"]:
        contents = {
            "version": grub.default_kernel("@VERSION@"),
            "flavour": grub.default_flavour("@FLAVOUR@"),
        }
        script += _MAKE_DEFAULT
    if options["remove_others"]:
        script += _REMOVE_OTHERS
    if options["default"] or options["remove_others"]:
        script += _LINKS
    if options["default"]:
        script += _CHECK_DEFAULT
    return (Run(script + apt.END, contents=contents, network=True),)


def _find(name: str, *, follow: bool) -> str:
    """Set ``version`` to that of the kernel which a package brings, ``image`` to the package that has it.

    ``named`` is no where it is the newest of a flavour, if that is to be followed.
    """
    no_kernel = fail(
        f"the package {name} brings no kernel: neither it nor a linux package that it needs has a file /boot/vmlinuz-…",
        "name a package such as linux-image-virtual or linux-image-cloud-amd64",
    )
    return f"""\
version='' image='' named=yes todo={name}
for dummy in 1 2 3 4 5; do
    next=
    for each in $todo; do
        version=$(dpkg-query --listfiles "$each" 2>/dev/null | sed -n 's|^/boot/vmlinuz-||p' | head -n 1)
        if [ -n "$version" ]; then
            image=$each
            break
        fi
        next="$next $(dpkg-query --show --showformat '${{Pre-Depends}}, ${{Depends}}' "$each" 2>/dev/null |
            tr ',|' '\\n\\n' | sed -n 's/^ *\\(linux-[a-z0-9+.-]*\\).*/\\1/p' | grep -vx -e "$each" | tr '\\n' ' ')"
    done
    [ -z "$version" ] || break
    named={"no" if follow else "yes"}
    todo=$next
done
[ -n "$version" ] || {no_kernel}
echo "the kernel is $version, of the package $image"
[ -s "/boot/vmlinuz-$version" ] || {{
    echo "the package $image has left no kernel in /boot/vmlinuz-$version" >&2
    exit 1
}}
[ -s "/boot/initrd.img-$version" ] || {{
    echo "there is no /boot/initrd.img-$version: the kernel $version could not boot" >&2
    echo 'install initramfs-tools by a step packages before this one, or look for what stopped update-initramfs' >&2
    exit 1
}}
"""


# A package that is a version stays the default; one that is a flavour hands that on to its newer versions.
_MAKE_DEFAULT = f"""\
if command -v update-grub >/dev/null; then
    install -d -m 0755 /etc/default/grub.d
    echo '# Written when this image was built.' >{_DROP_IN}.new
    if [ "$named" = yes ]; then
        sed -e "s/@VERSION@/$version/" "$FILES/version" >>{_DROP_IN}.new
    else
        flavour=$(echo "$version" | sed -E -e 's/^[0-9][^-]*-([0-9][^-]*-)?//' -e 's/[.+]/[&]/g')
        sed -e "s/@FLAVOUR@/$flavour/" "$FILES/flavour" >>{_DROP_IN}.new
    fi
    mv -f {_DROP_IN}.new {_DROP_IN}
fi
"""

_REMOVE_OTHERS = f"""\
set --
for kernel in /boot/vmlinuz-*; do
    other=${{kernel#/boot/vmlinuz-}}
    [ "$other" != "$version" ] || continue
    # Its modules and headers, too.
    for each in $(dpkg-query --search "$kernel" 2>/dev/null | sed -e 's/: .*//' -e 's/, / /g') \\
        $(dpkg-query --show --showformat '${{Package}}\\n' "linux-*-$other" 2>/dev/null)
    do
        set -- "$@" "$each"
    done
done
[ "$#" = 0 ] || {apt.apt_get("purge", "--", '"$@"')}
[ -s "/boot/vmlinuz-$version" ] && [ -s "/boot/initrd.img-$version" ] ||
    {fail("the kernel that was to stay went together with the others, on which it depends")}
"""

_LINKS = """\
for directory in / /boot/; do
    for name in vmlinuz initrd.img; do
        if [ -L "$directory$name" ]; then
            target=boot/$name-$version
            [ "$directory" = / ] || target=$name-$version
            ln -sfn "$target" "$directory$name"
        fi
        if [ -L "$directory$name.old" ] && [ ! -e "$directory$name.old" ]; then rm -f "$directory$name.old"; fi
    done
done
"""

_CHECK_DEFAULT = f"""\
if command -v update-grub >/dev/null; then
{grub.UPDATE}    grep -q "menuentry_id_option 'gnulinux-$version-advanced-" {grub.CONFIGURATION} &&
        grep -q "set default=\\".*gnulinux-$version-advanced-" {grub.CONFIGURATION} || {{
        echo "GRUB's configuration does not make $version the default: look into /etc/default/grub.d" >&2
        exit 1
    }}
else
    echo 'there is no GRUB in the image; what boots it decides on the kernel'
fi
"""


KIND = StepKind(
    name="kernel",
    description="""
        Install a kernel, of a flavour or of one version, and have GRUB boot it, whichever others are there.

        Of a flavour, such as C(linux-image-virtual), that is always its newest kernel, also after an upgrade of the
        machine. A version stays the default until somebody says otherwise.
    """,
    options={
        "package": {
            "type": "str",
            "description": """
                Package of a flavour, such as V(linux-image-virtual) or V(linux-image-cloud-amd64), or another that
                brings a kernel.
            """,
        },
        "version": {
            "type": "str",
            "description": """
                Version of a kernel as C(uname -r) has it, such as V(6.8.0-45-generic). It is the package
                C(linux-image-VERSION).
            """,
        },
        "default": {
            "type": "bool",
            "default": True,
            "description": "Whether it is the one that is booted, by C(/etc/default/grub.d/90-goldsmith-kernel.cfg).",
        },
        "remove_others": {
            "type": "bool",
            "default": False,
            "description": """
                Whether all other kernels are purged, and packages of flavours that need them. Not before the one that
                stays is there together with its initial RAM disk.
            """,
        },
        "hold": {
            "type": "bool",
            "default": False,
            "description": "Whether no upgrade changes the kernel, as C(hold) of C(packages).",
        },
    },
    rules={"mutually_exclusive": [["package", "version"]], "required_one_of": [["package", "version"]]},
    example="""\
- kernel:
    package: linux-image-virtual
    remove_others: true
""",
    check=_check,
    render=_render,
)
