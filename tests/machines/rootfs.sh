#!/bin/bash
# Builds root filesystems of Debian machines from packages, once: rootfs.sh SUITE [PACKAGE...]
#
# Prints the directories that make up the tree, the uppermost first, separated by colons: what
# `lowerdir=` of overlayfs wants. The lowest is the base that all machines share; with
# packages there is a second one with what they add. Both are cached, below
# $SAFE_APPLY_MACHINES_CACHE (default: $XDG_CACHE_HOME/safe-apply/machines), under a name that
# changes with this script, the suite and the packages. They are made elsewhere and renamed when
# complete, under a lock: a run that is killed leaves nothing that a later one would take for a tree.
#
# Debian's mirror is the one that this machine's apt uses, or $SAFE_APPLY_MIRROR, or
# debootstrap's own choice. Packages are downloaded in this machine's network and configured in
# a network namespace of their own, so that no maintainer script meets this machine's firewall.
set -euo pipefail

suite=${1:?usage: rootfs.sh SUITE [PACKAGE...]}
shift
base_packages=(
    conntrack dbus iproute2 ipset iptables iptables-persistent iputils-ping ipset-persistent
    libpam-systemd libnss-systemd netfilter-persistent nftables openssh-server procps screen sudo
    systemd systemd-sysv tmux
)

cache=${SAFE_APPLY_MACHINES_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/safe-apply/machines}
mkdir -p "$cache/debs"
cache=$(cd "$cache" && pwd)

# The name of a tree: what it is made from, hashed. $1: further words.
key() {
    { cat "$0"; printf '%s\n' "$suite" "${SAFE_APPLY_MIRROR:-}" "$@"; } | sha256sum | cut -c 1-12
}

# Lines "URI RELEASE" of this machine's apt, where it is a Debian.
apt_sources() {
    (
        # shellcheck source=/dev/null
        . /etc/os-release
        [ "${ID:-}" = debian ] && [ -n "${VERSION_CODENAME:-}" ] || exit 0
        # shellcheck disable=SC2016 # apt expands these
        apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
            sort -u | awk -v own="$VERSION_CODENAME" -v suite="$suite" '
                $2 == own || index($2, own "-") == 1 {
                    sub("^" own, suite, $2)
                    if ($2 == suite || $2 == suite "-security") print $1, $2
                }'
    )
}

# Runs a script of this file's with mounts, processes and, with $1 = private, a network of its own.
apart() {
    local network=()
    [ "$1" = private ] && network=(--net)
    shift
    unshare --mount --pid --fork --kill-child "${network[@]}" -- bash -euo pipefail -c "$@"
}

# What is written into the tree $1 and holds only while packages are being installed there.
begin() {
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 0755 "$1/usr/sbin/policy-rc.d"
    cat >"$1/etc/dpkg/dpkg.cfg.d/building" <<END
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
END
    cp --remove-destination /etc/resolv.conf "$1/etc/resolv.conf" 2>/dev/null || true
}

end() {
    rm -f "$1/usr/sbin/policy-rc.d" "$1/etc/dpkg/dpkg.cfg.d/building" "$1/etc/resolv.conf"
    rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin
}

# Installs packages in the tree $1.
install_in() {
    local tree=$1
    shift
    local options="-qq --yes --no-install-recommends -o Dir::Cache::Archives=/var/cache/debs"
    # One at a time: apt does not wait for the lock of its archive.
    exec 8>"$cache/debs.lock"
    flock 8
    begin "$tree"
    mkdir -p "$tree/var/cache/debs"
    # shellcheck disable=SC2016 # expanded in there
    local inside='
        tree=$1 options=$2; shift 2
        mount --make-rprivate /
        mount --bind "$DEBS" "$tree/var/cache/debs"
        mount -t proc proc "$tree/proc"
        export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
        export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    # shellcheck disable=SC2016
    DEBS=$cache/debs apart shared "$inside"'
        chroot "$tree" apt-get -qq update
        chroot "$tree" apt-get $options --download-only install "$@"' - "$tree" "$options" "$@"
    # Rules are not saved while iptables-persistent is installed.
    # shellcheck disable=SC2016
    DEBS=$cache/debs apart private "$inside"'
        for family in v4 v6; do
            echo "iptables-persistent iptables-persistent/autosave_$family boolean false"
        done | chroot "$tree" debconf-set-selections
        chroot "$tree" apt-get $options --no-download install "$@"' - "$tree" "$options" "$@"
    rmdir "$tree/var/cache/debs"
    end "$tree"
    exec 8>&-
}

# The tree of the base packages, in the directory $1.
build_base() {
    local tree=$1 sources mirror
    sources=$(apt_sources)
    mirror=${SAFE_APPLY_MIRROR:-$(awk -v suite="$suite" '$2 == suite { print $1; exit }' <<<"$sources")}
    debootstrap --variant=minbase --include=ca-certificates --cache-dir="$cache/debs" \
        "$suite" "$tree" ${mirror:+"$mirror"}
    if [ -z "${SAFE_APPLY_MIRROR:-}" ] && [ -n "$sources" ]; then
        # shellcheck disable=SC2001 # on each line
        sed "s/.*/deb & main/" <<<"$sources" >"$tree/etc/apt/sources.list"
    fi
    install_in "$tree" "${base_packages[@]}"
    set_up "$tree"
}

# What a fresh installation of a server would have, and nothing that a container has no use for.
set_up() {
    local tree=$1
    echo machine >"$tree/etc/hostname"
    printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 machine\n' >"$tree/etc/hosts"
    # A fixed machine ID, so that a boot is never a "first boot"; journals are kept.
    tr -d - </proc/sys/kernel/random/uuid >"$tree/etc/machine-id"
    mkdir -p "$tree/var/log/journal"
    chroot "$tree" useradd --create-home --shell /bin/bash --groups sudo alice
    chroot "$tree" useradd --create-home --shell /bin/bash bob
    echo '%sudo ALL=(ALL:ALL) NOPASSWD: ALL' >"$tree/etc/sudoers.d/lab"
    chmod 0440 "$tree/etc/sudoers.d/lab"
    chroot "$tree" systemctl --quiet enable systemd-networkd.service
    chroot "$tree" systemctl --quiet disable netfilter-persistent.service nftables.service \
        systemd-networkd-wait-online.service 2>/dev/null
    chroot "$tree" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer \
        console-getty.service dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
}

# Makes the tree $1 by the command that follows, unless it is there. When it was used last is its
# time of modification.
cached() {
    local tree=$1
    shift
    if [ -d "$tree" ]; then
        touch "$tree"
        return
    fi
    exec 9>"$tree.lock"
    flock 9
    if [ ! -d "$tree" ]; then
        rm -rf --one-file-system "$tree.new"
        mkdir "$tree.new"
        chmod 0755 "$tree.new"
        # Not as a condition: in one, bash would go on after commands that fail.
        set +e
        (set -e; "$@") >"$tree.log" 2>&1
        local status=$?
        set -e
        if [ "$status" -ne 0 ]; then
            tail -n 40 "$tree.log" >&2
            echo "rootfs.sh: $tree could not be built; all of what was said: $tree.log" >&2
            exit 1
        fi
        sync -f "$cache"
        # Of other versions of this script, say.
        find "$cache" -mindepth 1 -maxdepth 1 -type d ! -name debs -mtime +14 \
            -exec rm -rf --one-file-system {} +
        mv -T "$tree.new" "$tree"
    fi
    exec 9>&-
}

# The upper directory of packages over the base $1, in the directory $2.
build_layer() {
    local base=$1 upper=$2 scratch
    shift 2
    scratch=$(mktemp -d "$cache/scratch.XXXXXX")
    mkdir "$scratch/work" "$scratch/tree"
    mount -t overlay overlay -o "lowerdir=$base,upperdir=$upper,workdir=$scratch/work" "$scratch/tree"
    install_in "$scratch/tree" "$@"
    umount "$scratch/tree"
    rm -rf --one-file-system "$scratch"
}

base=$cache/$suite-$(key "${base_packages[@]}")
cached "$base" build_base "$base.new"
if [ $# -eq 0 ]; then
    echo "$base"
    exit
fi
layer=$base+$(key "${base_packages[@]}" -- "$@")
# Mounts of a build that is killed go with its mount namespace.
if [ ! -d "$layer" ] && [ -z "${SAFE_APPLY_IN_NAMESPACE:-}" ]; then
    exec env SAFE_APPLY_IN_NAMESPACE=1 unshare --mount --propagation private -- "$0" "$suite" "$@"
fi
cached "$layer" build_layer "$base" "$layer.new" "$@"
echo "$layer:$base"
