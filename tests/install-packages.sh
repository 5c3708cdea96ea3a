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
        ssh) echo openssh-client ;;
        sshd) echo openssh-server ;;
        ssh-keygen) echo openssh-client ;;
        systemd-analyze) echo systemd ;;
        rpmbuild) echo rpm ;;
        systemd-nspawn) echo systemd-container ;;
        *) echo "$1" ;;
    esac
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
    export DEBIAN_FRONTEND=noninteractive
    if ! apt-get install -qq --yes --no-install-recommends "${packages[@]}" >&2; then
        # The usual reason on a fresh machine: no package lists yet.
        apt-get update -qq >&2
        apt-get install -qq --yes --no-install-recommends "${packages[@]}" >&2
    fi
fi

# sshd does not start without it; /run is empty after a boot without its service.
if [ "$(id -u)" -eq 0 ] && command -v sshd >/dev/null && [ ! -d /run/sshd ]; then
    install -d -m 0755 /run/sshd
fi
