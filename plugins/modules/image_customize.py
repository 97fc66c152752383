#!/usr/bin/python
# Copyright (c) 2026, The goldsmith.kvm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_customize
short_description: Turn a base image into a published golden image
version_added: 0.1.0
author: The goldsmith.kvm authors (@goldsmith-kvm)
description:
  - Carries a list of steps out in an image, offline and in one go, and publishes the result as a compressed qcow2 that
    needs no other file. The base stays as it is.
  - A golden image is published as C(NAME-SERIAL-FINGERPRINT.qcow2), with the serial of its base (the first eight digits
    of the base's digest, where it has none) and the first eight digits of its fingerprint. It has mode C(0444) and is
    never changed again, so that guests may be backed by it. C(NAME.qcow2) is a link to the current one, replaced at one
    stroke.
  - The fingerprint covers all that decides the result, which is the base's digest, the steps, the content of the
    files that they put in, O(size), O(compression) and O(engine). When an image of the fingerprint is there already,
    whatever its serial, nothing is built. Versions of the tools are recorded but do not count, so that an upgrade of
    the host does not rebuild every image.
  - What the steps printed is kept beside the image in C(NAME-SERIAL-FINGERPRINT.qcow2.log), for its owner alone and
    without secrets; that of the last build that failed in the store's C(logs/NAME-XXXXXXXX.log).
  - The build record beside the image, C(NAME-SERIAL-FINGERPRINT.qcow2.json), says what it was made from, by which
    tools, and which packages came in. The image has a copy in C(/usr/share/goldsmith/build-record.json), less what is
    only known when it is finished.
  - Machine-id and random seed are in the end as the base had them. Every clone gets its own.
  - Nothing is visible in O(dest_dir) before it is complete, checked and on the disk. When a step fails, or the run is
    interrupted, the current image stays. Two runs for one O(name) wait for each other.
extends_documentation_fragment:
  - goldsmith.kvm.attributes
  - goldsmith.kvm.attributes.actiongroup_kvm
attributes:
  check_mode:
    support: full
    details:
      - Answered from digests and records alone. Nothing is launched, sent or written.
      - A program that is missing on the target is a warning.
      - Where the path of the new image cannot be known yet, RV(image.path), RV(record) and RV(fingerprint) are V(null).
        That is so when M(goldsmith.kvm.image_fetch) could not tell the base's digest, when steps hold a secret and
        the store has no key yet, and when a step has a condition and nobody knows yet which system the base holds.
      - RV(image.path) and RV(record) are also V(null) where O(max_age) or O(force) asks for a further image of a
        fingerprint, which is named by the time when it is built.
  diff_mode:
    support: full
    details:
      - Shows the recipe of the current image and the wanted one, steps with their names. Secrets, and files that are
        secrets, are shown as seals that tell only whether they differ.
  idempotent:
    support: full
options:
  base:
    description:
      - The image to start from. RV(goldsmith.kvm.image_fetch#module:image), or a dictionary with C(path) and, where you
        know them, C(digest) (C(sha256:HEX), which is then demanded), C(product), C(serial) and C(proof). Of a text
        alone, it is the C(path).
      - C(path) is on the target. A file outside the store is read once to find its digest.
      - An image that names another file (a backing file, an external data file) is refused.
    type: dict
    required: true
  dest_dir:
    description:
      - Directory on the target in which the golden image is published. It is made when it is missing.
    type: path
    required: true
  name:
    description:
      - Beginning of the golden image's file name, such as V(noble-base).
    type: str
    required: true
  steps:
    description:
      - What is done to the image, in this order. Each step is a dictionary with one key for the kind of step, which
        holds a dictionary of its options. C(name), C(condition) and C(timeout) may stand beside it.
      - All steps are carried out in one launch of the engine. Each may build upon the ones before it.
      - Files that steps name are found on the controller as M(ansible.builtin.copy) and M(ansible.builtin.template)
        find them, in the role and beside the playbook, and opened where they are encrypted by Ansible Vault. Only those
        are sent that the store lacks, and only when the image has to be built.
      - A step whose C(condition) does not hold for the base counts for nothing. Its files need not be there, and a
        change of it does not change the image.
    type: list
    elements: dict
    required: true
    # Begin of what tests/tools/step_docs.py writes
    suboptions:
      name:
        description:
          - What logs and errors call the step, beside its number.
        type: str
      condition:
        description:
          - For which bases the step is meant. For others it is left out, as if it were
            not written.
          - What the base is, is known of an image that M(goldsmith.kvm.image_fetch) fetched
            or this module built; any other is looked into once.
        type: dict
        suboptions:
          distribution:
            description:
              - Distributions, as C(ID) in the base's C(/etc/os-release) has them, such
                as V(ubuntu).
            type: list
            elements: str
          version:
            description:
              - 'Versions, as C(VERSION_ID) there has them: one, as in V(24.04), or comparisons
                with commas between them that all have to hold, as in V(>=22.04,<25).'
            type: str
      timeout:
        description:
          - Seconds that the step may take, within the time for the whole build.
        type: int
      upload:
        description:
          - Put a file into the image, replacing what is there. A directory is put in
            by the step C(copy_in), an archive by C(tar_in).
        type: dict
        suboptions:
          src:
            description:
              - The file. It is looked for on the controller as M(ansible.builtin.copy)
                does, in the C(files) of the role and beside the playbook, and decrypted
                where it is encrypted by Ansible Vault.
              - It travels to the target only when the image has to be built and the store
                does not have it yet.
            type: str
            required: true
          remote_src:
            description:
              - Whether O(steps[].upload.src) is a path on the target.
            type: bool
            default: false
          dest:
            description:
              - Absolute path inside the image. With a slash at the end it is the directory
                that the file is put into.
              - The directory has to exist in the image; the step C(mkdir) makes one.
            type: str
            required: true
          mode:
            description:
              - Permissions in octal, quoted as in V('0644').
            type: raw
            default: '0644'
          owner:
            description:
              - User of the image who owns the file.
            type: str
            default: root
          group:
            description:
              - Group of the image that the file belongs to.
            type: str
            default: root
          secret:
            description:
              - Whether the file is a secret. Then not even its digest stands in the build
                record, but a seal that is of no use without the store's key. It needs
                O(steps[].upload.in_image).
            type: bool
            default: false
          in_image:
            description:
              - Whether it is meant that the secret stays in the image, where everybody
                who has the image can read it. Without it a secret is refused.
            type: bool
            default: false
      write:
        description:
          - Write a file inside the image, replacing what is there.
          - O(steps[].write.content) stands in the build record. A secret does not belong
            there, but in O(steps[].write.secret_content).
        type: dict
        suboptions:
          dest:
            description:
              - Absolute path inside the image. Its directory has to exist there; the
                step C(mkdir) makes one.
            type: str
            required: true
          content:
            description:
              - 'What the file is to hold, byte for byte in UTF-8: no line break is added
                at its end.'
            type: str
          secret_content:
            description:
              - 'The same, where it is a secret: it stands in no log, no argument list
                and no record. It needs O(steps[].write.in_image).'
            type: str
          mode:
            description:
              - Permissions in octal, quoted as in V('0644').
            type: raw
            default: '0644'
          owner:
            description:
              - User of the image who owns the file.
            type: str
            default: root
          group:
            description:
              - Group of the image that the file belongs to.
            type: str
            default: root
          in_image:
            description:
              - Whether it is meant that the secret stays in the image, where everybody
                who has the image can read it. Without it a secret is refused.
            type: bool
            default: false
      template:
        description:
          - Render a Jinja template on the controller, as M(ansible.builtin.template)
            does, and put the result into the image, replacing what is there.
          - A change of a variable changes the image; variables that differ at every run,
            such as the time, make a new one of every run.
        type: dict
        suboptions:
          src:
            description:
              - The template. It is looked for on the controller in the C(templates) of
                the role and beside the playbook.
            type: str
            required: true
          dest:
            description:
              - Absolute path of the file inside the image. Its directory has to exist
                there.
            type: str
            required: true
          mode:
            description:
              - Permissions in octal, quoted as in V('0644').
            type: raw
            default: '0644'
          owner:
            description:
              - User of the image who owns the file.
            type: str
            default: root
          group:
            description:
              - Group of the image that the file belongs to.
            type: str
            default: root
          secret:
            description:
              - Whether what comes of it is a secret. It needs O(steps[].template.in_image).
            type: bool
            default: false
          in_image:
            description:
              - Whether it is meant that the secret stays in the image, where everybody
                who has the image can read it. Without it a secret is refused.
            type: bool
            default: false
      copy_in:
        description:
          - Put a directory, with all that is in it, or a file below a directory of the
            image. It keeps its name; what is there under that name stays where the new
            one has nothing of the same name.
          - Files become C(0644), or C(0755) where their owner may execute them, directories
            C(0755); directories that the image has already stay as they are. Symbolic
            links stay links. For another mode use the steps C(chmod) or C(upload).
        type: dict
        suboptions:
          src:
            description:
              - The directory or file. It is looked for on the controller as in C(upload),
                and files in it that are encrypted by Ansible Vault are decrypted.
            type: str
            required: true
          remote_src:
            description:
              - Whether O(steps[].copy_in.src) is a path on the target.
            type: bool
            default: false
          dest:
            description:
              - Absolute path of the directory of the image to put it into. It has to
                exist.
            type: str
            required: true
          owner:
            description:
              - User of the image who owns it and all below it, by name or number.
            type: str
            default: root
          group:
            description:
              - Group of the image that it belongs to, by name or number.
            type: str
            default: root
      tar_in:
        description:
          - Unpack a tar archive below a directory of the image, with the owners, permissions
            and times that it has.
          - 'The image''s own tar(1) does it, and finds out whether and how the archive
            is compressed: by gzip, bzip2, xz or zstd. The image needs the program for
            it. Owners are those of the same name in the image, or else of the same number.'
          - Directories that the image has already keep their owner and their permissions,
            also the one that it is unpacked in, and links to directories stay links.
            The build stops at a name with C(..) in it.
        type: dict
        suboptions:
          src:
            description:
              - The archive. It is looked for on the controller as in C(upload).
            type: str
            required: true
          remote_src:
            description:
              - Whether O(steps[].tar_in.src) is a path on the target.
            type: bool
            default: false
          dest:
            description:
              - Absolute path of the directory of the image to unpack it in. It has to
                exist.
            type: str
            required: true
          owner:
            description:
              - User of the image, by name or number, who owns all of it, whatever the
                archive has.
            type: str
          group:
            description:
              - Group of the image, by name or number, that all of it belongs to.
            type: str
          strip_components:
            description:
              - How many directories to leave out at the beginning of each name.
            type: int
            default: 0
      line_in_file:
        description:
          - Take care that a file has a line, or that it has not, as M(ansible.builtin.lineinfile)
            does. The file keeps its owner and its permissions. The image's own Perl does
            it (package C(perl-base)), and the expressions are its.
          - With O(steps[].line_in_file.state=present), the last line that O(steps[].line_in_file.regexp)
            fits is replaced by O(steps[].line_in_file.line). Where it fits none, and
            the file does not have the line yet, the line is put in its place by O(steps[].line_in_file.insert_after)
            or O(steps[].line_in_file.insert_before), or at the end.
          - With O(steps[].line_in_file.state=absent), every line that O(steps[].line_in_file.regexp)
            fits is taken out, or without it every one that is O(steps[].line_in_file.line).
        type: dict
        suboptions:
          path:
            description:
              - Absolute path of the file inside the image.
            type: str
            required: true
          line:
            description:
              - The line. With O(steps[].line_in_file.state=present) it has to be given.
            type: str
          regexp:
            description:
              - Regular expression for the line to replace, or the lines to take out.
            type: str
          state:
            description:
              - Whether the line has to be there.
            type: str
            choices:
              - present
              - absent
            default: present
          insert_after:
            description:
              - Regular expression for the line that the new one follows, the last that
                it fits; or V(EOF), the end. Where it fits none, the new line comes last.
            type: str
          insert_before:
            description:
              - Regular expression for the line that the new one precedes, the last that
                it fits; or V(BOF), the beginning. Where it fits none, the new line comes
                last.
            type: str
          create:
            description:
              - Whether the file is made where it does not exist. Its directory has to
                exist.
            type: bool
            default: false
      append_line:
        description:
          - Append a line to a file, which is made where it does not exist; its directory
            has to.
          - 'Where the file does not end with a line break, one is added first. Line breaks
            are those of the file: of DOS where its first line has them.'
          - The line is appended whether or not the file has it already. For a line that
            is to be there once, use the step C(line_in_file).
        type: dict
        suboptions:
          path:
            description:
              - Absolute path of the file inside the image.
            type: str
            required: true
          line:
            description:
              - The line. It may be empty.
            type: str
            required: true
      edit:
        description:
          - Change a file by a Perl expression that is evaluated for each of its lines,
            as C(virt-customize --edit) does. The file keeps its owner and its permissions.
            The image's own Perl does it (package C(perl-base)).
          - An expression that fits no line changes nothing, and is no error. For a line
            that has to be there, use the step C(line_in_file).
        type: dict
        suboptions:
          path:
            description:
              - Absolute path of the file, which has to exist.
            type: str
            required: true
          expression:
            description:
              - The expression. It finds the line, with its line break, in C($_) and changes
                it there; a line is deleted by making it empty. C($lineno) is its number,
                from 1. C(die) stops the build.
            type: str
            required: true
      mkdir:
        description:
          - Make a directory, with those above it that are missing. One that exists stays,
            with what is in it.
        type: dict
        suboptions:
          path:
            description:
              - Absolute path inside the image.
            type: str
            required: true
          mode:
            description:
              - Permissions in octal, quoted as in V('0750'), also of a directory that
                exists. Without it a new one, and those made above it, get V('0755').
            type: raw
          owner:
            description:
              - User who owns it, by name or number, also where it exists. Without it
                a new one belongs to C(root).
            type: str
          group:
            description:
              - Group of it, in the same way.
            type: str
      link:
        description:
          - Make symbolic links, replacing files and links that are there.
        type: dict
        suboptions:
          target:
            description:
              - 'Where the links lead: an absolute path, or one from the link''s directory.'
            type: str
            required: true
          path:
            description:
              - Absolute path of the link inside the image, or a list of them. The directory
                has to exist.
            type: list
            elements: str
            required: true
      copy:
        description:
          - 'Copy a file, or a directory with all that is in it, inside the image, as
            C(cp -a) does: with owner, permissions and times, and links as links.'
          - For files of the controller there are C(upload) and C(copy_in).
        type: dict
        suboptions:
          src:
            description:
              - Absolute path of what is copied.
            type: str
            required: true
          dest:
            description:
              - Absolute path of the copy. Where it is a directory that exists, the copy
                is put into that under its own name; with a slash at the end it has to
                be one.
            type: str
            required: true
      move:
        description:
          - Move or rename a file or a directory inside the image, replacing a file that
            is there.
        type: dict
        suboptions:
          src:
            description:
              - Absolute path of what is moved.
            type: str
            required: true
          dest:
            description:
              - Absolute path that it gets. Where it is a directory that exists, it is
                put into that under its own name; with a slash at the end it has to be
                one.
            type: str
            required: true
      delete:
        description:
          - Delete a file, or a directory with all that is in it. What does not exist
            is no error.
          - The data can be read from the disk until it is overwritten. See the step C(scrub).
        type: dict
        suboptions:
          path:
            description:
              - Absolute path inside the image. It may have the wildcards C(*), C(?) and
                C([…]), which do not fit names that begin with a dot, and alternatives
                in braces, as in V(/var/log/*.{gz,old}); a backslash takes the meaning
                from any of these. With a slash at the end only directories are meant.
            type: str
            required: true
      scrub:
        description:
          - Overwrite a file, then delete it, so that its data cannot be read from the
            image's disk. Directories and symbolic links are refused.
          - 'It overwrites the blocks that the file has now. Older copies of the data
            may lie elsewhere: where an editor or a package replaced the file, in the
            journal of a file system mounted with C(data=journal), on file systems that
            never write in place such as btrfs and ZFS, and in the base, which stays as
            it is. Better than scrubbing a secret is not to put it in.'
        type: dict
        suboptions:
          path:
            description:
              - Absolute path of a file that exists.
            type: str
            required: true
      touch:
        description:
          - Make an empty file, or give what is there the time of the build, as touch(1)
            does.
          - A new file belongs to C(root) and may be read by all. For others there is
            the step C(write).
        type: dict
        suboptions:
          path:
            description:
              - Absolute path inside the image. The directory has to exist.
            type: str
            required: true
      truncate:
        description:
          - Empty a file. Its owner and its permissions stay.
        type: dict
        suboptions:
          path:
            description:
              - Absolute path of a file that exists.
            type: str
            required: true
      truncate_recursive:
        description:
          - Empty all files below a directory. Their owners and permissions stay; symbolic
            links are not followed.
        type: dict
        suboptions:
          path:
            description:
              - Absolute path of the directory, which has to exist.
            type: str
            required: true
      chmod:
        description:
          - Change the permissions of a file or a directory. Of a symbolic link it changes
            what it leads to.
        type: dict
        suboptions:
          path:
            description:
              - Absolute path inside the image.
            type: str
            required: true
          mode:
            description:
              - Permissions in octal, quoted as in V('0640'), or as chmod(1) takes them
                otherwise, such as V(u=rwX,g=rX,o=).
            type: raw
            required: true
          recursive:
            description:
              - Whether it changes everything below a directory as well. An octal O(steps[].chmod.mode)
                makes files executable where directories can be entered; V(X) in a symbolic
                one does not.
            type: bool
            default: false
      chown:
        description:
          - Change the owner of a file or a directory, its group, or both. Of a symbolic
            link it changes what it leads to.
        type: dict
        suboptions:
          path:
            description:
              - Absolute path inside the image.
            type: str
            required: true
          owner:
            description:
              - User of the image, by name or number.
            type: str
          group:
            description:
              - Group of the image, by name or number.
            type: str
          recursive:
            description:
              - Whether it changes everything below a directory as well.
            type: bool
            default: false
      packages:
        description:
          - Remove, upgrade and install packages of Debian or Ubuntu, in this order, from
            the repositories that the image knows. The step C(apt_repository) adds one.
          - The package lists are refreshed first, and the build stops when that fails
            for any of the repositories.
          - Services are not started. Configuration files that were changed stay as they
            are. Downloaded packages are deleted again, and so are the package lists when
            the base had none.
        type: dict
        suboptions:
          install:
            description:
              - 'Packages to install, as C(apt-get) takes them: V(nginx), V(nginx=1.24.0-2).'
            type: list
            elements: str
            default: []
          remove:
            description:
              - Packages to remove. Their configuration files stay. One that is not installed
                is no error.
            type: list
            elements: str
            default: []
          purge:
            description:
              - Packages to remove together with their configuration files.
            type: list
            elements: str
            default: []
          upgrade:
            description:
              - V(yes) upgrades what is installed and adds packages where that needs them,
                such as those of a new kernel, but removes none.
              - V(dist) may also remove packages (C(apt-get dist-upgrade)).
            type: str
            choices:
              - 'no'
              - 'yes'
              - dist
            default: 'no'
          recommends:
            description:
              - Whether packages that others recommend are installed with them.
            type: bool
            default: false
          autoremove:
            description:
              - Whether packages that were installed for others, and are needed no more,
                are removed.
            type: bool
            default: false
          hold:
            description:
              - Packages that no upgrade changes from now on, until somebody asks for
                that (C(apt-mark hold)). It is done at the end of the step.
            type: list
            elements: str
            default: []
          unhold:
            description:
              - Packages that upgrades may change again. It is done at the beginning of
                the step.
            type: list
            elements: str
            default: []
      apt_repository:
        description:
          - 'Add a repository that packages come from: C(/etc/apt/sources.list.d/NAME.sources)
            in the format deb822, which trusts its own key only. The package lists are
            refreshed by the step that next installs something, and the build stops there
            when the key is not the repository''s.'
        type: dict
        suboptions:
          name:
            description:
              - What the repository's files in the image are called, without C(.sources).
            type: str
            required: true
          state:
            description:
              - V(absent) removes the repository of this name, its key and its pinning.
            type: str
            choices:
              - present
              - absent
            default: present
          uris:
            description:
              - Where it is, such as V(https://download.docker.com/linux/ubuntu).
            type: list
            elements: str
            default: []
          suites:
            description:
              - Its suites, such as V(noble) or V(stable), or a directory with a slash
                at its end.
            type: list
            elements: str
            default: []
          components:
            description:
              - Its components, such as V(main).
            type: list
            elements: str
            default: []
          architectures:
            description:
              - Architectures to take packages of; those of the image where it is empty.
            type: list
            elements: str
            default: []
          types:
            description:
              - V(deb) for packages, V(deb-src) for their sources.
            type: list
            elements: str
            choices:
              - deb
              - deb-src
            default:
              - deb
          key:
            description:
              - The public key that the repository is signed with, armored.
            type: str
          key_src:
            description:
              - The same as a file, armored or binary, which is found as in C(upload).
            type: str
          remote_src:
            description:
              - Whether O(steps[].apt_repository.key_src) is a path on the target.
            type: bool
            default: false
          key_url:
            description:
              - The same as a URL, which apt fetches inside the image. It needs O(steps[].apt_repository.key_checksum).
            type: str
          key_checksum:
            description:
              - SHA-256 of what O(steps[].apt_repository.key_url) has to yield, as V(sha256:…)
                or digits alone.
            type: str
          signed_by:
            description:
              - Keyring that is in the image, such as the distribution's own below C(/usr/share/keyrings),
                instead of a key of the repository's own.
            type: str
          pin_priority:
            description:
              - 'Priority of O(steps[].apt_repository.pin_packages) where they come from
                this repository, as in apt_preferences(5): 500 is that of all repositories,
                100 is asked last, above 1000 may downgrade, -1 is never taken.'
            type: int
          pin_packages:
            description:
              - Packages that O(steps[].apt_repository.pin_priority) is for, by name or
                glob.
            type: list
            elements: str
            default:
              - '*'
          pin:
            description:
              - What tells the repository in O(steps[].apt_repository.pin_priority), such
                as V(release o=Docker). Without it, the hosts of O(steps[].apt_repository.uris).
            type: str
      deb:
        description:
          - Install packages from files, all of them at once, with what they depend on
            from the repositories that the image knows. Otherwise it is as in C(packages).
        type: dict
        suboptions:
          src:
            description:
              - The C(.deb) files. They are found as in C(upload), and travel only when
                they have to.
            type: list
            elements: str
            required: true
          remote_src:
            description:
              - Whether O(steps[].deb.src) is a path on the target.
            type: bool
            default: false
          recommends:
            description:
              - Whether packages that others recommend are installed with them.
            type: bool
            default: false
          allow_downgrade:
            description:
              - Whether a newer version that is installed may be replaced by an older
                one.
            type: bool
            default: false
      apt_proxy:
        description:
          - 'Have apt go through a proxy from this step on: until the end of the build,
            or for good.'
          - It is for all steps that install packages, and goes before what the base has.
            A proxy that asks for a password cannot be given.
        type: dict
        suboptions:
          http:
            description:
              - For repositories with C(http), such as V(http://proxy.example.com:3142);
                or V(DIRECT).
            type: str
          https:
            description:
              - For repositories with C(https).
            type: str
          direct:
            description:
              - Hosts that are spoken to without the proxy.
            type: list
            elements: str
            default: []
          for_good:
            description:
              - Whether the image keeps it, in C(/etc/apt/apt.conf.d/95goldsmith-proxy).
                If not, nothing of it is left in the image.
            type: bool
            default: false
      apt_mirror:
        description:
          - 'Have apt take the distribution''s packages from a mirror from this step on:
            until the end of the build, or for good. It takes the place of the archives
            of Ubuntu and Debian in the image''s sources, in both formats, and of those
            alone. The distribution''s keys stay the ones that are trusted.'
          - 'At first boot cloud-init writes the sources anew from its templates, unless
            it is told otherwise by C(apt: {preserve_sources_list: true}), as in a step
            C(cloud_config). With O(steps[].apt_mirror.for_good) you want that, too.'
        type: dict
        suboptions:
          uri:
            description:
              - The mirror of the archive, such as V(https://mirror.example.com/ubuntu).
            type: str
            required: true
          security_uri:
            description:
              - The mirror of the archive of security updates. Without it, Ubuntu's are
                taken from O(steps[].apt_mirror.uri), whose archive has them, and Debian's
                from where they come from now.
            type: str
          for_good:
            description:
              - Whether the image keeps it. If not, its sources are as they were, to the
                byte.
            type: bool
            default: false
      unattended_upgrades:
        description:
          - 'Have machines upgrade themselves within bounds, by C(unattended-upgrades),
            which has to be installed: security updates only and without a reboot, unless
            it is said otherwise.'
          - C(/etc/apt/apt.conf.d/95goldsmith-unattended-upgrades) takes the place of
            what the base has said, and the service and apt's timers are enabled, also
            where C(disable_unattended_upgrades) had switched them off.
        type: dict
        suboptions:
          origins:
            description:
              - 'What may be upgraded: V(security), V(updates), V(release), or patterns
                of unattended-upgrades for further repositories, such as V(origin=Docker,label=Docker
                CE). On Ubuntu V(security) takes in what V(release) names, because a security
                update may need a new package from there.'
            type: list
            elements: str
            default:
              - security
          blacklist:
            description:
              - 'Packages that stay as they are: regular expressions that their names
                begin with.'
            type: list
            elements: str
            default: []
          automatic_reboot:
            description:
              - Whether the machine boots by itself when an upgrade needs that.
            type: bool
            default: false
          automatic_reboot_time:
            description:
              - When it does, such as V('02:00'), quoted.
            type: str
            default: now
          remove_unused_kernels:
            description:
              - Whether kernels that are needed no more are removed.
            type: bool
            default: true
          remove_unused_dependencies:
            description:
              - Whether other packages that are needed no more are removed.
            type: bool
            default: false
          mail:
            description:
              - Who gets reports. The machine has to be able to send them.
            type: str
          mail_report:
            description:
              - When reports are sent.
            type: str
            choices:
              - always
              - only-on-error
              - on-change
            default: on-change
          update_days:
            description:
              - Days between refreshes of the package lists; 0 for none.
            type: int
            default: 1
          upgrade_days:
            description:
              - Days between upgrades; 0 for none.
            type: int
            default: 1
          autoclean_days:
            description:
              - Days after which packages that were fetched are deleted; 0 for never.
            type: int
            default: 7
      disable_unattended_upgrades:
        description:
          - 'Keep the image from upgrading itself. It has no options: write C({}).'
          - C(unattended-upgrades.service), C(apt-daily.timer) and C(apt-daily-upgrade.timer)
            are masked, also where the package is installed only later, and apt's periodic
            jobs are switched off by C(/etc/apt/apt.conf.d/99-no-unattended-upgrades).
          - 'These jobs race with cloud-init and with configuration management for dpkg''s
            lock at first boot. Rebuild the image regularly instead, with C(packages:
            {upgrade: dist}).'
        type: dict
      group:
        description:
          - Make a group, or bring one that exists to what is asked for. Users join it
            by the option C(groups) of C(user).
        type: dict
        suboptions:
          name:
            description:
              - Name of the group.
            type: str
            required: true
          gid:
            description:
              - Numerical group ID. Files that belong to an older one are not changed.
            type: int
          system:
            description:
              - Whether a new group gets its ID from the system's range.
            type: bool
            default: false
      user:
        description:
          - Make a user, or bring one that exists to what is asked for. What is not named
            stays as it is.
          - Without O(steps[].user.password) and O(steps[].user.password_hash) a new user
            cannot log in with a password.
          - 'The user that C(cloud-init) makes at the first boot, such as C(ubuntu), is
            not in the image: for its keys there is C(ssh_authorized_keys) of C(cloud_config).'
        type: dict
        suboptions:
          name:
            description:
              - Name of the user.
            type: str
            required: true
          comment:
            description:
              - Full name, or another comment.
            type: str
          groups:
            description:
              - 'Groups to join, beside the user''s own and those joined already. They
                have to exist: C(group) makes them.'
            type: list
            elements: str
            default: []
          shell:
            description:
              - Login shell. A new user gets C(/bin/bash), a new O(steps[].user.system)
                user C(/usr/sbin/nologin).
            type: str
          sudo:
            description:
              - Whether the user may do everything by C(sudo), without a password or with
                the user's own, by a file in C(/etc/sudoers.d). V(none) removes that file.
                Without it, that stays as it is.
            type: str
            choices:
              - nopasswd
              - password
              - none
          authorized_keys:
            description:
              - Public SSH keys to add to those that the user has.
            type: list
            elements: str
            default: []
          system:
            description:
              - 'Whether a new user is a system user: an ID from the system''s range,
                and no home directory.'
            type: bool
            default: false
          uid:
            description:
              - Numerical user ID. Without it a new user gets the next after the highest
                that is taken, and the user that C(cloud-init) makes at the first boot
                gets the one after that.
            type: int
          group:
            description:
              - The user's primary group, which has to exist. A new user gets one of the
                same name.
            type: str
          home:
            description:
              - Home directory. It is made for a new user who is no O(steps[].user.system)
                user, and never moved.
            type: str
          password:
            description:
              - The password. It is hashed in the image, by the image's own settings,
                and stands in no argument list, log or record.
            type: str
          password_hash:
            description:
              - Hash of the password as in crypt(5). It belongs into the image, and stands
                in no log and no record.
            type: str
          password_locked:
            description:
              - Whether the password is locked, as by C(usermod --lock). Keys still work.
            type: bool
            default: false
      password:
        description:
          - Set, disable or lock the password of a user that exists in the image. Keys
            for SSH are not touched by it.
          - Every machine made from the image has this password.
        type: dict
        suboptions:
          user:
            description:
              - Name of the user, such as V(root).
            type: str
            required: true
          password:
            description:
              - The password. The image's own C(chpasswd) hashes it, and only the hash
                stays in the image, so that no option has to say that a secret is meant
                to be in there. It stands in no log, no argument list and no record.
            type: str
          password_hash:
            description:
              - The password as a hash of crypt(5), such as the filter C(password_hash)
                makes.
            type: str
          method:
            description:
              - 'How O(steps[].password.password) is hashed. Without it that is as the
                image does it: by yescrypt in Debian and Ubuntu.'
              - V(yescrypt) by name needs a C(chpasswd) that knows it, which Ubuntu 22.04
                does not have.
            type: str
            choices:
              - sha512
              - yescrypt
          disabled:
            description:
              - 'V(true): the user has no password, and cannot log in by one.'
            type: bool
          locked:
            description:
              - 'Whether the password, the new one or the one that is there, is locked:
                kept, but of no use until C(usermod --unlock). Without it a new password
                is not, and otherwise it stays as it is.'
            type: bool
      ssh_inject:
        description:
          - Append a public key to the C(authorized_keys) of a user that exists in the
            image.
          - 'The default user of cloud images, C(ubuntu) or C(debian), does not: cloud-init
            makes it at first boot. Give its keys to cloud-init, by the option C(ssh_authorized_keys)
            of the step C(cloud_config) or in the user-data, or make a user of your own
            with the step C(user).'
        type: dict
        suboptions:
          user:
            description:
              - Name of the user.
            type: str
            required: true
          key:
            description:
              - The public key, one line of an C(authorized_keys) file.
            type: str
            required: true
      kernel:
        description:
          - Install a kernel, of a flavour or of one version, and have GRUB boot it, whichever
            others are there.
          - Of a flavour, such as C(linux-image-virtual), that is always its newest kernel,
            also after an upgrade of the machine. A version stays the default until somebody
            says otherwise.
        type: dict
        suboptions:
          package:
            description:
              - Package of a flavour, such as V(linux-image-virtual) or V(linux-image-cloud-amd64),
                or another that brings a kernel.
            type: str
          version:
            description:
              - Version of a kernel as C(uname -r) has it, such as V(6.8.0-45-generic).
                It is the package C(linux-image-VERSION).
            type: str
          default:
            description:
              - Whether it is the one that is booted, by C(/etc/default/grub.d/90-goldsmith-kernel.cfg).
            type: bool
            default: true
          remove_others:
            description:
              - Whether all other kernels are purged, and packages of flavours that need
                them. Not before the one that stays is there together with its initial
                RAM disk.
            type: bool
            default: false
          hold:
            description:
              - Whether no upgrade changes the kernel, as C(hold) of C(packages).
            type: bool
            default: false
      kernel_cmdline:
        description:
          - Change the command line that GRUB gives the kernel, by a file in C(/etc/default/grub.d),
            so that the arguments of the base and of C(/etc/default/grub) stay; and run
            C(update-grub).
        type: dict
        suboptions:
          append:
            description:
              - Arguments to add at the end, such as V(mitigations=off).
            type: list
            elements: str
            default: []
          replace:
            description:
              - 'Arguments to add in place of those with the same name: V(console=ttyS1)
                removes every other C(console=).'
            type: list
            elements: str
            default: []
          remove:
            description:
              - Arguments to remove. V(quiet=1) is that one, V(quiet) goes with any value
                and without one.
            type: list
            elements: str
            default: []
          linux_default:
            description:
              - Whether the arguments are for the usual entries of GRUB's menu only, and
                not for those of the recovery mode, as in C(GRUB_CMDLINE_LINUX_DEFAULT).
            type: bool
            default: false
          name:
            description:
              - The file is C(/etc/default/grub.d/91-goldsmith-NAME.cfg). A second step
                needs another name, or it takes the place of the first.
            type: str
            default: cmdline
      hostname:
        description:
          - Set the host name, in C(/etc/hostname) and, where C(/etc/hosts) has the old
            one at C(127.0.1.1), there.
          - Every clone starts with it. In an image with cloud-init a host name from the
            metadata replaces it at boot.
        type: dict
        suboptions:
          name:
            description:
              - The host name.
            type: str
            required: true
      locale:
        description:
          - Set the system's locale, and generate those that are wanted.
          - A C(locale) in the configuration of C(cloud-init) still has its way at each
            clone's first boot.
        type: dict
        suboptions:
          name:
            description:
              - C(LANG) of the system, such as V(de_DE.UTF-8) or V(C.UTF-8). It is generated
                where it has to be. An C(LC_ALL) that would override it is taken out;
                other C(LC_) variables stay.
            type: str
          generate:
            description:
              - Further locales to generate. The image has to have the package C(locales).
            type: list
            elements: str
            default: []
      timezone:
        description:
          - Set the time zone.
        type: dict
        suboptions:
          name:
            description:
              - A name of the tz database, such as V(Europe/Oslo). The image has to know
                it (package C(tzdata)).
            type: str
            required: true
      ntp:
        description:
          - Say which servers the system takes its time from, and have that begin at boot.
          - It is for C(chrony) where the image has that, otherwise for C(systemd-timesyncd).
            The servers that C(chrony) came with are commented out in its configuration;
            a later step C(ntp) replaces what an earlier one named.
        type: dict
        suboptions:
          servers:
            description:
              - Names or addresses of servers.
            type: list
            elements: str
            default: []
          pools:
            description:
              - Names that stand for several servers each. C(systemd-timesyncd) makes
                no difference.
            type: list
            elements: str
            default: []
          fallback:
            description:
              - Servers of C(systemd-timesyncd) to ask where no others are known, neither
                from here nor from the network.
            type: list
            elements: str
            default: []
      systemd_unit:
        description:
          - Put in a systemd unit or a drop-in for one, and say whether it starts at boot.
          - No service manager runs in the image; nothing is started or stopped. A template,
            such as C(web@.service), is put in by that name, and its instances, such as
            C(web@1.service), are enabled by theirs.
        type: dict
        suboptions:
          name:
            description:
              - Name of the unit with its type, such as V(web.service).
            type: str
            required: true
          content:
            description:
              - The unit's file, C(/etc/systemd/system/NAME). It stands in the build record.
            type: str
          src:
            description:
              - The same, as a file of the controller, which is found as in C(upload).
            type: str
          remote_src:
            description:
              - Whether O(steps[].systemd_unit.src) is a path on the target.
            type: bool
            default: false
          drop_in:
            description:
              - Name of a drop-in, such as V(10-memory.conf). O(steps[].systemd_unit.content)
                or O(steps[].systemd_unit.src) is then the drop-in C(/etc/systemd/system/NAME.d/10-memory.conf),
                and the unit's own file stays.
            type: str
          enabled:
            description:
              - Whether it starts at boot. Without it, that stays as it is.
            type: bool
          scope:
            description:
              - 'V(user): a unit of each user''s own service manager, in C(/etc/systemd/user).
                O(steps[].systemd_unit.enabled) and O(steps[].systemd_unit.masked) then
                hold for all users, as by C(systemctl --global).'
            type: str
            choices:
              - system
              - user
            default: system
          masked:
            description:
              - Whether it cannot be started at all. Without it, that stays as it is.
            type: bool
      sysctl:
        description:
          - Set parameters of the kernel at boot, by a file in C(/etc/sysctl.d). A file
            of the same name is replaced.
          - 'Nothing is applied while the image is built: the kernel that runs then is
            not the image''s.'
        type: dict
        suboptions:
          name:
            description:
              - Name of the file without C(.conf), such as V(90-database). Of two files
                with the same setting the one that sorts last counts; Debian's and Ubuntu's
                own begin with V(10-) to V(99-).
            type: str
            required: true
          settings:
            description:
              - Values by the names that sysctl(8) has for them, such as V(net.ipv4.ip_forward).
            type: dict
            required: true
      kernel_modules:
        description:
          - Load modules of the kernel at boot, keep others from loading, and give modules
            options, by files in C(/etc/modules-load.d) and C(/etc/modprobe.d). Files
            of the same name are replaced or go.
        type: dict
        suboptions:
          name:
            description:
              - Name of the files without C(.conf), such as V(database).
            type: str
            required: true
          load:
            description:
              - Modules to load at boot.
            type: list
            elements: str
            default: []
          blacklist:
            description:
              - Modules that are not loaded because hardware for them is found. They can
                still be loaded by name, or because another module needs them.
            type: list
            elements: str
            default: []
          disable:
            description:
              - 'Modules that are not loaded at all: blacklisted, and C(modprobe) runs
                C(/bin/false) in place of loading them, as the CIS benchmarks ask for.'
            type: list
            elements: str
            default: []
          options:
            description:
              - 'Parameters by module, such as V(kvm_intel: nested=1).'
            type: dict
            default: {}
          update_initramfs:
            description:
              - Whether the initial RAM disks of all kernels are made again, which have
                a copy of C(/etc/modprobe.d). Without it they are where O(steps[].kernel_modules.blacklist),
                O(steps[].kernel_modules.disable) or O(steps[].kernel_modules.options)
                are given. Without KVM on the build host that takes minutes.
            type: bool
      cloud_config:
        description:
          - Put a part of the configuration of C(cloud-init) into C(/etc/cloud/cloud.cfg.d).
            A file of the same name is replaced.
          - Of two files that set the same key the one that sorts last counts, and a clone's
            own user data counts before both; lists are not joined.
        type: dict
        suboptions:
          name:
            description:
              - Name of the file without C(.cfg), such as V(95-site). Those of Debian
                and Ubuntu begin with V(05) to V(90).
            type: str
            required: true
          config:
            description:
              - 'The configuration, such as V({manage_etc_hosts: true}). It stands in
                the build record.'
            type: dict
          content:
            description:
              - 'The same, as text: YAML, which is tried by the image''s own Python. C(datasource_list)
                has to stand on one line there, without a comment, such as V(datasource_list:
                [NoCloud, None]).'
            type: str
          secret_content:
            description:
              - 'The same, as a text with secrets. It stands in no log and no record,
                and in the image it can be read by root, and by everybody who has the
                image: say O(steps[].cloud_config.in_image=true) if that is meant.'
            type: str
          in_image:
            description:
              - Whether it is meant that the secret stays in the image, where everybody
                who has the image can read it. Without it a secret is refused.
            type: bool
            default: false
          datasource_list:
            description:
              - Where C(cloud-init) looks for a clone's own data, in this order, such
                as V([NoCloud, None]). With fewer of them a clone boots faster, and takes
                no data from where none should come.
            type: list
            elements: str
            default: []
          ssh_authorized_keys:
            description:
              - Public keys for the user that C(cloud-init) makes at the first boot, such
                as C(ubuntu). A clone whose user data has this key, too, gets only those
                of its user data.
            type: list
            elements: str
            default: []
      netplan:
        description:
          - Put in a file for netplan, C(/etc/netplan/NAME.yaml), readable by root alone.
            The image's netplan tries it together with the files that are there.
          - 'At a clone''s first boot C(cloud-init) adds its own file, C(50-cloud-init.yaml),
            which has DHCP on the first network card where the clone''s data says nothing
            else. To keep it from that, have a step C(cloud_config) with V({network: {config:
            disabled}}).'
          - An interface that is not there holds a clone's boot up for two minutes unless
            it is C(optional).
        type: dict
        suboptions:
          name:
            description:
              - Name of the file without C(.yaml), such as V(60-storage). Of two files
                that set the same key the one that sorts last counts.
            type: str
            required: true
          config:
            description:
              - The configuration, with the key C(network). It stands in the build record.
            type: dict
          content:
            description:
              - The same, as text.
            type: str
      ca_certificates:
        description:
          - 'Trust certificate authorities: their certificates are put into C(/usr/local/share/ca-certificates),
            and C(update-ca-certificates) adds them to those that the system''s programs
            trust. The package C(ca-certificates) has to be installed.'
        type: dict
        suboptions:
          src:
            description:
              - 'Files with certificates, in the format PEM or DER, which are found as
                in C(upload). A file may hold several: C(NAME.bundle-1.crt) and so on.'
            type: list
            elements: str
          remote_src:
            description:
              - Whether O(steps[].ca_certificates.src) is a path on the target.
            type: bool
            default: false
          content:
            description:
              - Certificates as text, in the format PEM.
            type: list
            elements: str
          names:
            description:
              - What each is called in the image, without C(.crt). Without it, as its
                file is called, or by a digest. One of the same name that is there is
                replaced, and no other.
            type: list
            elements: str
      firstboot:
        description:
          - Put in a script that runs as root, once, at the first boot of each clone.
          - Scripts run one after another in the order of the recipe, after C(cloud-init)
            has ended and the network is online. What they print goes to the journal of
            C(goldsmith-firstboot.service) and to C(/var/log/goldsmith-firstboot.log).
          - A script that succeeds is removed. One that fails leaves the service failed;
            it and those after it are tried at the next boot, or by C(systemctl restart
            goldsmith-firstboot.service). A script that was interrupted, as by a reboot,
            runs again.
          - This is not C(virt-customize --firstboot), whose scripts run after C(network.target),
            when there may be no network yet and C(cloud-init) is still at work, and whose
            numbers can repeat when an image is built upon one that has such scripts.
          - The script stands in the image and, as O(steps[].firstboot.script), in the
            build record. A secret does not belong there.
        type: dict
        suboptions:
          name:
            description:
              - 'What the script is called in the log: letters, digits, `_`, `.` and `-`.
                Two scripts may have the same name.'
            type: str
            required: true
          script:
            description:
              - The script. Without a line C(#!) at its beginning it is run by C(sh -e).
            type: str
          src:
            description:
              - The same, as a file of the controller, which is found as in C(upload).
            type: str
          remote_src:
            description:
              - Whether O(steps[].firstboot.src) is a path on the target.
            type: bool
            default: false
      firstboot_command:
        description:
          - Have each clone run shell commands as root, once, at its first boot, by C(sh
            -e).
          - Scripts run one after another in the order of the recipe, after C(cloud-init)
            has ended and the network is online. What they print goes to the journal of
            C(goldsmith-firstboot.service) and to C(/var/log/goldsmith-firstboot.log).
          - A script that succeeds is removed. One that fails leaves the service failed;
            it and those after it are tried at the next boot, or by C(systemctl restart
            goldsmith-firstboot.service). A script that was interrupted, as by a reboot,
            runs again.
          - The commands stand in the image and in the build record. A secret does not
            belong there.
        type: dict
        suboptions:
          name:
            description:
              - 'What the script is called in the log: letters, digits, `_`, `.` and `-`.
                Two scripts may have the same name.'
            type: str
            default: command
          command:
            description:
              - A command line, or a script of several lines.
            type: str
            required: true
      firstboot_install:
        description:
          - Have each clone install packages at its first boot, after refreshing the package
            lists. It waits up to half an hour for another package manager to end, and
            services that come with the packages start. Where all of them are installed
            by then, it does nothing.
          - 'What every clone needs is better installed in the image, by C(packages):
            then a clone starts sooner, and does not depend on the repositories at that
            time.'
          - Scripts run one after another in the order of the recipe, after C(cloud-init)
            has ended and the network is online. What they print goes to the journal of
            C(goldsmith-firstboot.service) and to C(/var/log/goldsmith-firstboot.log).
          - A script that succeeds is removed. One that fails leaves the service failed;
            it and those after it are tried at the next boot, or by C(systemctl restart
            goldsmith-firstboot.service). A script that was interrupted, as by a reboot,
            runs again.
        type: dict
        suboptions:
          name:
            description:
              - 'What the script is called in the log: letters, digits, `_`, `.` and `-`.
                Two scripts may have the same name.'
            type: str
            default: install
          packages:
            description:
              - 'Packages as C(apt-get) takes them: V(nginx), V(nginx=1.24.0-2).'
            type: list
            elements: str
            required: true
          recommends:
            description:
              - Whether packages that others recommend are installed with them.
            type: bool
            default: false
      run_command:
        description:
          - Run shell commands as root inside the image, by its own C(sh -e), where the
            first one that fails stops the build; or one program with its arguments, without
            a shell.
          - The commands stand in the build record; a secret belongs in O(steps[].run_command.secrets).
          - No service manager runs in the image. C(systemctl enable), C(disable) and
            C(mask) work, C(start) does not.
        type: dict
        suboptions:
          command:
            description:
              - A command line, or a script of several lines.
            type: str
          argv:
            description:
              - A program and its arguments, which no shell reads.
            type: list
            elements: str
          chdir:
            description:
              - Directory of the image to run it in. Without it that is C(/).
            type: str
          environment:
            description:
              - Environment variables. They stand in the build record.
              - Without more than this, C(PATH), C(HOME=/root), C(LC_ALL=C.UTF-8) and
                C(DEBIAN_FRONTEND=noninteractive) are set.
            type: dict
          secrets:
            description:
              - Further environment variables, whose values stand in no log, no argument
                list and no record, and are masked in the output. They are there for this
                step alone.
              - What is run has to take care itself that it leaves none of them in the
                image, and the audit of the image looks for them, unless O(steps[].run_command.in_image)
                says that they belong there.
            type: dict
          in_image:
            description:
              - Whether the values of O(steps[].run_command.secrets) may stay in the image.
            type: bool
            default: false
          timeout:
            description:
              - Seconds that it may take, within the time for the whole build.
            type: int
          network:
            description:
              - Whether it needs the network.
            type: bool
            default: true
      run:
        description:
          - Run a script, or any program, as root inside the image. The first line of
            a script says by what, as in C(#!/usr/bin/env python3); without one it is
            C(sh). The build stops when it ends with another status than 0.
          - Nothing of it stays in the image but what it does there. Its output stands
            in the build's log.
          - No service manager runs in the image. C(systemctl enable), C(disable) and
            C(mask) work, C(start) does not.
        type: dict
        suboptions:
          src:
            description:
              - The script. It is looked for on the controller as in C(upload).
            type: str
            required: true
          remote_src:
            description:
              - Whether O(steps[].run.src) is a path on the target.
            type: bool
            default: false
          chdir:
            description:
              - Directory of the image to run it in. Without it that is C(/).
            type: str
          environment:
            description:
              - Environment variables. They stand in the build record.
              - Without more than this, C(PATH), C(HOME=/root), C(LC_ALL=C.UTF-8) and
                C(DEBIAN_FRONTEND=noninteractive) are set.
            type: dict
          secrets:
            description:
              - Further environment variables, whose values stand in no log, no argument
                list and no record, and are masked in the output. They are there for this
                step alone.
              - What is run has to take care itself that it leaves none of them in the
                image, and the audit of the image looks for them, unless O(steps[].run.in_image)
                says that they belong there.
            type: dict
          in_image:
            description:
              - Whether the values of O(steps[].run.secrets) may stay in the image.
            type: bool
            default: false
          timeout:
            description:
              - Seconds that it may take, within the time for the whole build.
            type: int
          network:
            description:
              - Whether it needs the network.
            type: bool
            default: true
      generalise:
        description:
          - Take out of the image what one machine alone may have, so that each clone
            is a machine of its own. It has to be the last step.
          - C(/etc/machine-id) is there and empty afterwards, whatever the base had, and
            a D-Bus machine-id is a link to it. The rest is what O(steps[].generalise.keep)
            lists. Directories stay with their owners and permissions, and so do log files,
            which are empty then.
          - C(/etc/resolv.conf), C(/etc/hostname), accounts and their keys, and scripts
            of the first boot stay as they are. Of C(/var/lib/cloud), C(scripts) and C(handlers)
            stay. Executable files in C(/etc/cloud/clean.d) are run, as C(cloud-init clean)
            does.
          - At a clone's first boot C(cloud-init) makes new SSH host keys. Where it does
            not, because it is not there, is disabled or finds no data for the clone,
            C(goldsmith-ssh-host-keys.service) does.
          - 'What C(cloud-init) once generated for the network, for sudo and for sshd
            stays where it will not run, or will not configure the network: clones have
            nothing else.'
          - 'Crontabs, and certificates beside the one of C(ssl-cert), stay: they are
            taken to be of the image.'
        type: dict
        suboptions:
          keep:
            description:
              - What is left in the image.
              - 'V(ssh_host_keys): SSH host keys.'
              - 'V(cloud_init): the state of C(cloud-init), its logs, and the files that
                it generates, where it will write them again.'
              - 'V(cloud_init_seed): seeds in C(/var/lib/cloud/seed).'
              - 'V(apt_lists): package lists and the caches made of them.'
              - 'V(apt_archives): downloaded packages.'
              - 'V(logs): journals, rotated logs, and the content of all others below
                C(/var/log).'
              - 'V(histories): histories of shells and other programs in all home directories.'
              - 'V(dhcp_leases): DHCP leases and the identifiers of DHCP clients.'
              - 'V(random_seed): random seeds, and the secret of C(systemd-creds).'
              - 'V(network): names of network cards and drives that udev wrote down, and
                connections of NetworkManager.'
              - 'V(host_ids): identifiers of iSCSI and NVMe initiators, of Landscape,
                and of Ubuntu Pro with its token and repositories.'
              - 'V(credentials): keytabs, secrets of Samba, SSSD and Puppet, private SSH
                keys in home directories, and the self-signed key of the package C(ssl-cert),
                which C(goldsmith-snakeoil.service) makes anew at a clone''s first boot.'
              - 'V(temporary): C(/tmp), C(/var/tmp), crash reports and core dumps, and
                of C(~/.ansible) what its runs leave.'
              - 'V(backups): copies that passwd, dpkg and debconf make, and C(/var/backups).'
              - 'V(mail): mailboxes in C(/var/mail).'
              - 'V(stamps): when timers and anacron ran last.'
            type: list
            elements: str
            choices:
              - ssh_host_keys
              - cloud_init
              - cloud_init_seed
              - apt_lists
              - apt_archives
              - logs
              - histories
              - dhcp_leases
              - random_seed
              - network
              - host_ids
              - credentials
              - temporary
              - backups
              - mail
              - stamps
            default: []
          trim:
            description:
              - Whether the free blocks of the image's file systems are discarded at the
                end. The image gets smaller, and what deleted files held is no longer
                in it.
            type: bool
            default: true
    # End of what tests/tools/step_docs.py writes
  size:
    description:
      - Size of the virtual disk, such as V(10G). It can only be larger than the base's.
      - The root partition and its file system are grown during the build where they are the last on the disk, and
        cloud-init grows them at first boot where that is not so.
      - Without it, the disk is as large as the base's.
    type: str
  compression:
    description:
      - How the golden image is compressed. V(zstd) is several times faster than V(zlib), and needs QEMU 5.1 or newer
        where guests run.
    type: str
    choices: [zstd, zlib, none]
    default: zstd
  engine:
    description:
      - What carries the steps out. V(virt_customize) works in libguestfs' appliance, a small virtual machine. It needs
        no root and is safe with images of any origin.
    type: str
    choices: [virt_customize]
    default: virt_customize
  accel:
    description:
      - What the appliance runs on. V(kvm) is fast, V(tcg) works everywhere and takes about 20 times longer.
      - V(auto) finds out whether KVM really works, and warns when it does not.
    type: str
    choices: [auto, kvm, tcg]
    default: auto
  network:
    description:
      - Whether steps have the network.
    type: bool
    default: true
  memsize:
    description:
      - Memory of the appliance in MiB, V(128) at the least. Without it, the engine decides.
    type: int
  smp:
    description:
      - Number of the appliance's virtual CPUs. Without it, the engine decides.
    type: int
  timeout:
    description:
      - Seconds that all steps together may take.
    type: int
    default: 3600
  workdir:
    description:
      - Directory on the target in which the build makes one of its own, for what the steps write and what the engine
        needs. It is removed when the build ends, however that is; after a C(kill -9) the next build removes it.
      - Without it, that is in O(store).
    type: path
  max_age:
    description:
      - How old an image may be, such as V(7d) or V(12h). An older one is built anew although nothing has changed, so
        that updates of packages come in.
      - The new image has the same fingerprint. It is published as C(NAME-SERIAL-FINGERPRINT-TIME.qcow2), with the time
        of the build in UTC. The older one stays, and the link leads to the newest.
    type: str
  force:
    description:
      - Build the image in any case, as with O(max_age). The task is then always changed.
    type: bool
    default: false
  audit:
    description:
      - Whether the finished image is audited before it is published, as M(goldsmith.kvm.image_audit_info) does it, for
        what must not be in an image that is cloned; for passwords, keys and files that no step has put there; and for
        secrets of the steps that are not declared to belong there, in the whole disk. Rules about traces that
        C(generalise) takes out count only after such a step.
      - It reads the files of ext2, ext3 and ext4. An image whose root is on another file system cannot be audited, and
        is not published; set V(false) there.
      - An image that does not pass is not published; see O(boot_check). Its report is kept as
        C(NAME-SERIAL-FINGERPRINT.failed.audit.txt).
      - The report stands in the build record. An image that was published without it is audited once.
    type: bool
    default: true
  audit_allow:
    description:
      - What the audit may find, each with the reason. Changing this audits no image again that has passed.
    type: list
    elements: dict
    default: []
    suboptions:
      rule:
        description:
          - Name of the rule.
        type: str
        required: true
      paths:
        description:
          - Paths in the image, as patterns of a shell in which C(*) matches slashes as well.
        type: list
        elements: str
        default: ["*"]
      reason:
        description:
          - Why that is right, for those who read the report.
        type: str
        required: true
  boot_check:
    description:
      - Whether the finished image has to boot before it is published, as M(goldsmith.kvm.image_boot) has it. It is an
        overlay that boots, with KVM where that works; without, it takes one to two minutes.
      - Only images for amd64 can be booted, on hosts that are amd64. That, and the programs and the firmware that it
        takes, is looked at before the build.
      - An image that does not boot, whose cloud-init ends with errors or that has failed units is not published, and
        the link stays. It is kept as C(NAME-SERIAL-FINGERPRINT.failed.qcow2), with its record, its log and
        C(NAME-SERIAL-FINGERPRINT.failed.console.log) beside it, until the next build of that name that fails.
      - Where a check could not be tried, because QEMU was killed or memory ran out, the name has C(.unchecked) in place
        of C(.failed).
      - What the boot has shown stands in the build record. An image that was published without it is booted once, when
        it is asked for. It stays published where it does not pass, and the console's log is then in the store's
        C(logs/NAME-XXXXXXXX.console.log).
    type: bool
    default: false
  boot_options:
    description:
      - How to boot it, and what to overlook. Changing them boots no image again, but for a further
        O(boot_options.firmware).
    type: dict
    suboptions:
      firmware:
        description:
          - Firmwares with which it has to boot, one after the other. V(auto) is V(bios), unless the image has boot code
            for UEFI alone.
        type: list
        elements: str
        choices: [auto, bios, uefi]
        default: [auto]
      memory:
        description:
          - Memory of the guest, at least V(128M).
        type: str
        default: 1G
      cpus:
        description:
          - Virtual CPUs of the guest.
        type: int
        default: 2
      disk_size:
        description:
          - Size of the disk that the guest sees, at least that of the image. Without it, that of the image.
        type: str
      timeout:
        description:
          - Seconds within which cloud-init has to have ended, at least 10.
        type: int
        default: 600
      ssh:
        description:
          - Whether to log in, where sshd runs. Set V(false) for an image without a default user of C(cloud-init).
        type: bool
        default: true
      allow_failed_units:
        description:
          - Units that may fail, as patterns of a shell such as V(systemd-networkd-*).
        type: list
        elements: str
        default: []
      allow_ordering_cycles:
        description:
          - Whether units may be ordered in a circle, of which C(systemd) leaves one out, at each boot another.
        type: bool
        default: false
      allow_cloud_init_errors:
        description:
          - Whether cloud-init may end with errors.
        type: bool
        default: false
  owner:
    description:
      - User who owns the golden image.
    type: str
  group:
    description:
      - Group that the golden image belongs to.
    type: str
  store:
    description:
      - Directory of the store. It is made when it is missing.
      - Its file system needs room for the files that steps put in and, without O(workdir), for what steps write.
    type: path
    default: /var/lib/goldsmith
  payloads:
    description:
      - Not for users. In it the controller tells the target of the files that steps name.
    type: dict
    suboptions:
      digests:
        description: Digest of each file.
        type: dict
        default: {}
      secret_digests:
        description: Digest of each file that is a secret.
        type: dict
        default: {}
      absent:
        description: Why files are not there that only steps with a condition name.
        type: dict
        default: {}
      directory:
        description: Where the missing ones have been put.
        type: path
requirements:
  - qemu-img 5.1 or newer (package qemu-utils)
  - virt-customize 1.40 or newer (package guestfs-tools) and a kernel that its appliance can read
  - with O(audit), sfdisk, blkid and debugfs (packages fdisk, util-linux and e2fsprogs)
  - with O(boot_check), what M(goldsmith.kvm.image_boot) requires
notes:
  - M(goldsmith.kvm.image_store) does not prune a base that a golden image was made from.
seealso:
  - module: goldsmith.kvm.image_fetch
  - module: goldsmith.kvm.image_store
"""

EXAMPLES = r"""
- name: Fetch a verified image
  goldsmith.kvm.image_fetch:
    release: noble
  register: fetched

- name: Make a golden image of it
  goldsmith.kvm.image_customize:
    base: "{{ fetched.image }}"
    dest_dir: /var/lib/libvirt/images/golden
    name: noble-base
    steps:
      - packages: {install: [qemu-guest-agent], upgrade: dist}
      - disable_unattended_upgrades: {}
      - timezone: {name: Etc/UTC}
      - user:
          name: ops
          sudo: nopasswd
          authorized_keys:
            - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2ZPsVmJ7WvVQ1Gqk1M0eX0r7Q3q2Xh3Hk7mVf0Q0aB ops@example.com
  register: golden

- name: Say where it is
  ansible.builtin.debug:
    msg: "{{ golden.image.path }} ({{ golden.packages_added | length }} packages added)"

- name: Put in files and a service, on a larger disk
  goldsmith.kvm.image_customize:
    base: "{{ fetched.image }}"
    dest_dir: /var/lib/libvirt/images/golden
    name: noble-web
    size: 20G
    steps:
      - packages: {install: [nginx-light]}
      # files/site.conf of the role or the playbook
      - upload: {src: site.conf, dest: /etc/nginx/conf.d/}
      # a file of the target
      - upload: {src: /srv/builds/app, remote_src: true, dest: /usr/local/bin/app, mode: "0755"}
      - systemd_unit:
          name: app.service
          enabled: true
          content: |
            [Unit]
            Description=Our application
            [Service]
            ExecStart=/usr/local/bin/app
            [Install]
            WantedBy=multi-user.target
      - systemd_unit:
          name: nginx.service
          drop_in: 10-restart.conf
          content: |
            [Service]
            Restart=always
      - run_command: {command: "nginx -t", timeout: 60, network: false}

- name: One recipe for two releases, built anew every week
  goldsmith.kvm.image_customize:
    base: "{{ fetched.image }}"
    dest_dir: /var/lib/libvirt/images/golden
    name: noble-chrony
    max_age: 7d
    steps:
      - name: Keep time with what each release has
        condition: {distribution: [ubuntu], version: ">=22.04,<25"}
        packages: {install: [chrony], upgrade: "yes"}
        timeout: 900

- name: See what would change
  goldsmith.kvm.image_customize:
    base: {path: /srv/images/debian-12.qcow2}
    dest_dir: /var/lib/libvirt/images/golden
    name: debian-base
    steps:
      - hostname: {name: golden}
      - write: {dest: /etc/motd, content: "Built by goldsmith.kvm\n"}
  check_mode: true
  diff: true
"""

RETURN = r"""
msg:
  description: What was done, or would be, and why, in a sentence.
  returned: success
  type: str
  sample: "noble-base was built: steps differ (new or changed: 2 timezone), force is set"
reason:
  description:
    - Why something was changed, or would be; empty where nothing was.
    - V(no image yet), V(no build record) (of the current image), V(schema) (another version of the collection made it),
      V(base), V(steps), V(size), V(compression), V(engine), V(max_age), V(force), V(link) (the image is there, and the
      link does not lead to it), V(audit) and V(boot) (the image is there, and has not been audited or booted yet),
      V(attributes) (owner and group).
  returned: success
  type: list
  elements: str
  sample: [steps, force]
image:
  description: The golden image. In check mode what it would be.
  returned: success
  type: dict
  contains:
    path:
      description: Where it is published. Guests should be backed by this path, not by the link. V(null) in check mode
        where it cannot be known yet.
      type: str
    current:
      description: The link to it.
      type: str
    digest:
      description: Digest of its content; V(null) while it is not built.
      type: str
    size:
      description: Bytes of the file; V(null) while it is not built.
      type: int
  sample:
    path: /var/lib/libvirt/images/golden/noble-base-20250601-3f9ab2c1.qcow2
    current: /var/lib/libvirt/images/golden/noble-base.qcow2
    digest: sha256:5d1c8a3b7d3f1a5bd0f2b7c0f3c1e8b45c3b0b0fb4f3f2c6f4f7b9a2e7c1d0a9
    size: 655818752
record:
  description: Path of the build record.
  returned: success
  type: str
  sample: /var/lib/libvirt/images/golden/noble-base-20250601-3f9ab2c1.qcow2.json
log:
  description: Path of what the steps printed when it was built.
  returned: success
  type: str
  sample: /var/lib/libvirt/images/golden/noble-base-20250601-3f9ab2c1.qcow2.log
steps:
  description: Each step, and whether it differs from the image that was current before. A step that was put between
    others does not make those differ that follow.
  returned: success
  type: list
  elements: dict
  contains:
    index:
      description: Number of the step, from 1.
      type: int
    step:
      description: Kind of the step.
      type: str
    name:
      description: What the user calls it; empty where it has no name.
      type: str
    digest:
      description: Digest of the step's canonical form; V(null) of a step that was left out.
      type: str
    changed:
      description: Whether the image that was current before has no such step in this place.
      type: bool
    skipped:
      description: Whether it was left out, because its condition does not hold for the base.
      type: bool
  sample:
    - index: 1
      step: packages
      name: Install the guest agent
      digest: sha256:9a0c6a3f0c8e4d4ac5b2bb38f0ee2b6b0a8d4bb7fd28f1b4b9d3a2a6b4a7f0c1
      changed: false
      skipped: false
    - index: 2
      step: timezone
      name: ""
      digest: sha256:0b7f2f4f6c1de1c1bb2d8d7a3c9f7c3c5b8e5f6f0f6a4b3b1f1c9d2e0a5b6c7d
      changed: true
      skipped: false
steps_removed:
  description: Steps of the image that was current before which the wanted one does not have, or has otherwise.
  returned: success
  type: list
  elements: dict
  contains:
    index:
      description: Number that the step had.
      type: int
    step:
      description: Kind of the step.
      type: str
    name:
      description: What the user called it.
      type: str
  sample: []
fingerprint:
  description: Digest over all that decides the result.
  returned: success
  type: str
  sample: sha256:3f9ab2c1a0b4d4e17f6f5d5c3b2a19080f7e6d5c4b3a29180706f5e4d3c2b1a0
audit:
  description: What the audit has found, as M(goldsmith.kvm.image_audit_info) returns it; V(null) where there was none.
  returned: success, and failure of the audit
  type: dict
  sample:
    passed: true
    rules:
      - rule: machine_id
        status: passed
        findings: []
        allowed: []
        count: 0
    unused_exceptions: []
    not_searched: []
boot:
  description:
    - What the boots of the image have shown, one for each firmware, as RV(goldsmith.kvm.image_boot#module:boot) has it,
      each with C(asked), the firmware that was asked for. Empty where it was not booted.
  returned: success
  type: list
  elements: dict
  sample:
    - asked: auto
      firmware: bios
      accel: kvm
      kernel: 6.8.0-45-generic
      failed_units: []
      ordering_cycles: []
failed_image:
  description: Where the image is kept that did not pass its checks, or could not be checked.
  returned: failure, where it was built and is not published
  type: str
  sample: /var/lib/libvirt/images/golden/noble-base-20250601-3f9ab2c1.failed.qcow2
packages_added:
  description: Packages by version that the base did not have. Empty in check mode while the image is not built.
  returned: success
  type: dict
  sample:
    qemu-guest-agent: 1:8.2.2+ds-0ubuntu1.7
stages:
  description: Seconds by stage, in the order in which they began.
  returned: success
  type: dict
  sample:
    plan: 0.004
    wait: 0.0
    payloads: 0.0
    preflight: 0.412
    customize: 41.873
    compress: 3.104
    check: 0.021
    digest: 0.402
    publish: 0.011
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.goldsmith.kvm.plugins.module_utils.common.file_attributes import ModuleAttributes
from ansible_collections.goldsmith.kvm.plugins.module_utils.common.runner import run_module
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.customize import customize_image
from ansible_collections.goldsmith.kvm.plugins.module_utils.flows.customize_request import customize_argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=customize_argument_spec(), supports_check_mode=True)
    run_module(module, partial(customize_image, attributes=ModuleAttributes(module)))


if __name__ == "__main__":
    main()
