#!/bin/bash
# Installs what the tests and the demo need and this machine lacks: install-packages.sh COMMAND...
#
# A command that is there is not looked at again, wherever it comes from. openssh-server is wanted
# for its binary only; on a machine that runs systemd, Debian also starts its service.
set -euo pipefail

package_of() {
    case $1 in
        iptables-nft | iptables-legacy) echo iptables ;;
        nft) echo nftables ;;
        ip) echo iproute2 ;;
        mke2fs | mkfs.ext4) echo e2fsprogs ;;
        mkfs.xfs) echo xfsprogs ;;
        qemu-system-x86_64) echo qemu-system-x86 ;;
        ssh) echo openssh-client ;;
        sshd) echo openssh-server ;;
        ssh-keygen) echo openssh-client ;;
        systemd-analyze) echo systemd ;;
        rpmbuild) echo rpm ;;
        systemd-nspawn) echo systemd-container ;;
        *) echo "$1" ;;
    esac
}

export DEBIAN_FRONTEND=noninteractive

# Removes nothing: $@ are further options.
install_packages() {
    apt-get "$@" install -qq --yes --no-remove --no-install-recommends "${packages[@]}" >&2
}

# From the backports of the mirror that this machine uses; its lists of sources stay as they are.
install_from_backports() {
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt expands these
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
        awk -v release="$release" '$2 == release { print $1; exit }')
    [ -n "$mirror" ] || return 1
    sources=$(mktemp -d)
    trap 'rm -rf "$sources"' EXIT
    # apt reads it as a user of its own.
    chmod 0755 "$sources"
    cp /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources "$sources" 2>/dev/null || true
    echo "deb $mirror $release-backports main" >"$sources/backports.list"
    echo "trying $release-backports" >&2
    apt-get -o Dir::Etc::sourceparts="$sources" update -qq >&2
    install_packages -o Dir::Etc::sourceparts="$sources" -t "$release-backports"
}

PATH=$PATH:/usr/sbin:/sbin
packages=()
for command in "$@"; do
    if ! command -v "$command" >/dev/null; then
        packages+=("$(package_of "$command")")
    fi
done

if [ ${#packages[@]} -gt 0 ]; then
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
    if ! command -v apt-get >/dev/null; then
        echo "missing here (names of the Debian packages): ${packages[*]}" >&2
        echo "install them with this system's package manager, then try again" >&2
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "missing packages; install them with: sudo apt-get install ${packages[*]}" >&2
        exit 1
    fi
    echo "installing: ${packages[*]}" >&2
    # The usual reason for a failure on a fresh machine: no package lists yet. Another: what is
    # installed from backports goes only with other packages from there.
    install_packages || { apt-get update -qq >&2 && install_packages; } || install_from_backports
fi

# sshd does not start without it; /run is empty after a boot without its service.
if [ "$(id -u)" -eq 0 ] && command -v sshd >/dev/null && [ ! -d /run/sshd ]; then
    install -d -m 0755 /run/sshd
fi
