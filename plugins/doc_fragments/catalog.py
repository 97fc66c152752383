# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  publisher:
    description:
      - Who offers the image.
      - V(ubuntu) is Canonical's U(https://cloud-images.ubuntu.com/), or a mirror of it (O(mirrors)). What there is, and
        which serial is the newest, is read from its signed simplestreams catalog.
      - V(directory) is any directory on a web server that holds a checksum file beside the images, such as those of
        Debian, Fedora or your own build. It has no catalog, hence no O(release), O(serial) and so on; O(mirrors) names
        the directory and O(file_name) the file.
    type: str
    choices: [ubuntu, directory]
    default: ubuntu
  mirrors:
    description:
      - Base URLs, tried in order. When one cannot be reached or does not have a file, the next one is asked, with a
        warning. A file with a wrong signature is an error, whatever the other mirrors have.
      - With O(publisher=ubuntu) each replaces U(https://cloud-images.ubuntu.com/) and needs the same tree below it.
        List that URL last to fall back on it.
      - With O(publisher=directory) they are the URLs of the directory, and at least one is required.
      - Credentials in a URL are refused, because URLs are shown and recorded.
    type: list
    elements: str
    default: []
  release:
    description:
      - Codename (V(noble)), version (V(24.04)), or an alias that the catalog defines, such as V(lts) for the newest
        long-term release.
      - Used with O(publisher=ubuntu).
    type: str
    default: lts
  lineage:
    description:
      - Which of the publisher's product lines.
      - V(server) is the Ubuntu Server image with the usual tools for people who log in. It is the right choice unless
        you know that you want less.
      - V(minimal) is about half the size and boots faster. It leaves out what only people need, such as manual pages,
        editors and locales (C(unminimize) brings them back). For fleets and appliances that no one logs in to.
      - Used with O(publisher=ubuntu).
    type: str
    choices: [server, minimal]
    default: server
  arch:
    description:
      - Architecture in the publisher's words, such as V(amd64), V(arm64), V(armhf), V(ppc64el), V(riscv64), V(s390x).
        V(amd64v3) (26.04 and later) needs a CPU with AVX2.
      - Without it, the architecture of the target.
      - Used with O(publisher=ubuntu).
    type: str
  stream:
    description:
      - V(released) has the images that passed Canonical's release tests. V(daily) has every day's build, untested.
      - Used with O(publisher=ubuntu).
    type: str
    choices: [released, daily]
    default: released
  file_type:
    description:
      - Which of the files of a serial. Which there are depends on release, lineage and architecture.
      - V(disk1.img) is the disk image for QEMU/KVM (qcow2, GPT, BIOS and UEFI), and the one that this collection's
        other modules work with.
      - V(disk-kvm.img) is the same with the kernel flavour C(linux-kvm), which has few drivers and boots faster. It
        exists up to 22.04 only.
      - V(vhd.tar.gz) is a fixed VHD for Azure and Hyper-V, V(vmdk) a stream-optimised disk for VMware, V(ova) the same
        with its OVF descriptor.
      - V(squashfs), V(root.tar.xz) and V(lxd.tar.xz) are the root file system without kernel and partitions, for
        containers (V(lxd.tar.xz) is only LXD's metadata). V(tar.gz) is a bare root file system image in a tar archive.
      - V(manifest) lists the packages inside.
      - Used with O(publisher=ubuntu).
    type: str
    default: disk1.img
  serial:
    description:
      - The dated version, C(YYYYMMDD) or C(YYYYMMDD.N), or V(latest).
      - Publishers delete old serials after some months. A pinned one may be gone.
      - Used with O(publisher=ubuntu).
    type: str
    default: latest
  file_name:
    description:
      - Name of the image in the directory.
      - Used with O(publisher=directory).
    type: str
  checksum_file:
    description:
      - Name of the file beside the image that states the digests (SHA-256 or SHA-512), as GNU C(sha256sum) or BSD
        C(sha256) prints them. It may be clear-signed.
      - Used with O(publisher=directory).
    type: str
    default: SHA256SUMS
  signature_file:
    description:
      - Name of the detached OpenPGP signature of O(checksum_file). Not read when O(checksum_file) is clear-signed.
      - Without it, the name of O(checksum_file) with C(.gpg) appended.
      - Used with O(publisher=directory).
    type: str
  verify:
    description:
      - What has to prove the image.
      - With V(signature) a trusted OpenPGP key must have signed its digest. Needs the program C(gpgv) on the target.
        Signatures over MD5 or SHA-1 do not count.
      - With V(checksum) the digest that you give in O(checksum) decides, and no signature is looked at.
      - With V(none) whatever the server sends is believed. A digest that the publisher states is still compared.
    type: str
    choices: [signature, checksum, none]
    default: signature
  checksum:
    description:
      - The digest that the file must have, as C(sha256:HEX) or C(sha512:HEX). Required with O(verify=checksum).
    type: str
  keyring:
    description:
      - Path, on the target, of a file with OpenPGP public keys, armored or binary.
      - Without it, Ubuntu's keys, which come with the collection, are used. O(publisher=directory) has none of its own.
    type: path
  fingerprints:
    description:
      - Fingerprints of the primary keys whose signatures count. Blanks in them do not matter.
      - Without it, every key of O(keyring) counts, or of Ubuntu's own keys each for what it signs.
    type: list
    elements: str
    default: []
"""
