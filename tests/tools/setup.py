# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set-up: what the machine must have, system packages, virtualenvs, and the collection where Ansible finds it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .paths import COLLECTIONS, LINKED, REQUIREMENTS, ROOT, RUN
from .process import as_root, environment, stop

_IMAGE = (
    # what the modules use
    "gpgv qemu-utils guestfs-tools bzip2 openssh-client ovmf qemu-system-x86 xorriso xz-utils zstd "
    # the test image and its mirror
    "apt-utils debian-archive-keyring dosfstools dpkg-dev e2fsprogs fdisk gnupg mmdebstrap mtools"
)
_LIBVIRT = "libvirt-clients libvirt-daemon-system python3-libvirt python3-lxml"
PACKAGES = {
    "lint": "git shellcheck",
    "unit": "btrfs-progs bzip2 dosfstools e2fsprogs fdisk gnupg gpgv openssh-client procps python3-libvirt qemu-utils "
    "shellcheck xfsprogs xz-utils zstd",
    "demo": f"{_IMAGE} {_LIBVIRT} util-linux",
    "image": f"{_IMAGE} {_LIBVIRT} dnsmasq-base fuse3 iproute2 mount nginx-light openssh-server util-linux virt-v2v "
    "xfsprogs",
    "bench": f"{_LIBVIRT} curl nginx-light qemu-utils util-linux",
}
"""System packages by what needs them; the names are the same on Debian 12 and on Ubuntu 24.04."""
_UNITS = {
    "libvirt-daemon-system": (
        *("libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket"),
        *("libvirt-guests.service", "virtlogd.socket", "virtlogd-admin.socket"),
        *("virtlockd.socket", "virtlockd-admin.socket"),
    ),
    "nginx-light": ("nginx.service",),
    "openssh-server": ("ssh.service", "ssh.socket"),
}
"""What packages would start at the next boot."""

_GIB = 1024**3


def require_root() -> None:
    if os.geteuid() and not shutil.which("sudo"):
        stop("neither root nor sudo: system packages and image tests need one of them")
    as_root(["true"])


def require_space(gib: int) -> None:
    free = shutil.disk_usage(ROOT).free
    if free < gib * _GIB:
        stop(f"{ROOT} has {free / _GIB:.1f} GiB free, {gib} GiB are needed")


def require_devices() -> None:
    """What mounts an image without a virtual machine."""
    for device, module in (("/dev/loop-control", "loop"), ("/dev/fuse", "fuse")):
        if not os.path.exists(device):
            subprocess.run(as_root(["modprobe", module]), check=False, capture_output=True)
        if not os.path.exists(device):
            stop(f"there is no {device}: load the kernel module {module}, or give it to the container")


def install_packages(groups: Iterable[str]) -> None:
    """Install the system packages of ``groups`` that are not there yet. Services among them are not started."""
    wanted = {"python3-venv"}.union(*(PACKAGES[group].split() for group in groups))
    if "guestfs-tools" in wanted and not _has_kernel():
        wanted.add(_kernel_package())
    missing = sorted(name for name in wanted if not _installed(name))
    if not missing:
        return
    require_root()
    print(f"set-up: installing {len(missing)} system packages: {' '.join(missing)}", flush=True)
    with _no_services_started():
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
        ):
            done = subprocess.run(
                as_root(["env", "DEBIAN_FRONTEND=noninteractive", *command]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
            if done.returncode:
                print("\n".join(done.stdout.splitlines()[-20:]), file=sys.stderr)
                stop(f"{' '.join(command[:2])} failed (above): see to apt's sources and the network")
    units = [unit for package in missing for unit in _UNITS.get(package, ())]
    if units and shutil.which("systemctl"):
        # Tests start their own; the machine shall serve nothing from its next boot on that it did not serve before.
        for unit in units:
            subprocess.run(as_root(["systemctl", "disable", unit]), check=False, capture_output=True)


def _installed(package: str) -> bool:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True, check=False
    )
    return done.stdout == "installed"


def _has_kernel() -> bool:
    """Whether libguestfs finds a kernel with its modules for its appliance: any will do."""
    return any(Path("/lib/modules", kernel.name[8:]).is_dir() for kernel in Path("/boot").glob("vmlinuz-*"))


def _kernel_package() -> str:
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    return "linux-image-virtual" if "ubuntu" in release else "linux-image-cloud-amd64"


class _no_services_started:  # noqa: N801 - a context manager
    """invoke-rc.d asks policy-rc.d whether it may start a service. An administrator's own file is left alone."""

    policy = "/usr/sbin/policy-rc.d"

    def __enter__(self) -> None:
        self._ours = not os.path.exists(self.policy)
        if self._ours:
            with tempfile.NamedTemporaryFile("w") as script:
                script.write("#!/bin/sh\nexit 101\n")
                script.flush()
                subprocess.run(as_root(["install", "-m", "755", script.name, self.policy]), check=True)

    def __exit__(self, *_exception: object) -> None:
        if self._ours:
            subprocess.run(as_root(["rm", "-f", self.policy]), check=False)


def make_virtualenv(path: Path, *requirements: str) -> None:
    """A virtualenv with the requirements of ``tests/requirements/<name>.txt``; nothing to do when they are unchanged.

    The requirements already there stay: ``./run demo`` does not take the test tools away.
    """
    python = Path("/usr/bin/python3").resolve()
    if not (path / "bin" / "python").exists() or (path / "bin" / "python").resolve() != python:
        print(f"set-up: virtualenv {path.relative_to(ROOT)}", flush=True)
        _checked([str(python), "-m", "venv", "--clear", str(path)])
    for name in requirements:
        source = REQUIREMENTS / f"{name}.txt"
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        stamp = path / f".{name}.sha256"
        if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
            continue
        print(f"set-up: {source.relative_to(ROOT)}", flush=True)
        _checked([f"{path}/bin/python", "-m", "pip", "install", "--quiet", "-r", str(source)])
        stamp.write_text(digest, encoding="ascii")


def link_bindings(path: Path) -> None:
    """Let a virtualenv have the system's bindings of libvirt: PyPI has them as source alone."""
    packages = next(path.glob("lib/python3*/site-packages"))
    for pattern in ("libvirt.py", "libvirtmod.*.so"):
        for source in Path("/usr/lib/python3/dist-packages").glob(pattern):
            link = packages / source.name
            if not link.is_symlink():
                link.symlink_to(source)


def _checked(argv: list[str]) -> None:
    env = {
        **environment(),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", ""),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        print("\n".join((done.stdout + done.stderr).splitlines()[-20:]), file=sys.stderr)
        stop(f"{' '.join(argv[:4])} … failed (above)")


def link_collection() -> None:
    """Make the checkout visible to Ansible as ``goldsmith.kvm``."""
    LINKED.parent.mkdir(parents=True, exist_ok=True)
    target = os.path.relpath(ROOT, LINKED.parent)
    if not LINKED.is_symlink() or os.readlink(LINKED) != target:
        LINKED.unlink(missing_ok=True)
        LINKED.symlink_to(target)


def copy_collection(destination: Path) -> Path:
    """A copy of the checkout at ``destination``/ansible_collections/goldsmith/kvm.

    ansible-test refuses to work behind a symbolic link.
    """
    copy = destination / "ansible_collections" / "goldsmith" / "kvm"
    shutil.rmtree(copy, ignore_errors=True)
    ignored = shutil.ignore_patterns(RUN.name, ".git", ".ansible", "__pycache__", ".*_cache", ".hypothesis", "*.tar.gz")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    return copy


def clean() -> None:
    """Remove ``.run/``; root may own some of it."""
    if str(COLLECTIONS) and RUN.exists():
        subprocess.run(as_root(["rm", "-rf", "--one-file-system", str(RUN)]), check=True)
