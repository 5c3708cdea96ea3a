#!/bin/bash
# Runs as the first process of a machine's surroundings: the namespaces in which systemd-nspawn
# will run, and the disk that outlives the machine's boots.
# $1 the lab's directory, $2 the layers of the root filesystem (lowerdir= of overlayfs).
set -eu
mount -t proc proc /proc
# systemd needs some 25 inotify instances a machine, and root's limit counts those of all of them
# (inotify(7)); Debian's default is 128. It can be raised only for this whole machine, and is left so.
limit=/proc/sys/fs/inotify/max_user_instances
[ "$(cat $limit)" -ge 1024 ] || echo 1024 >$limit
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/nspawn /run/lock
mount -t tmpfs -o mode=755,size=4g disk "$1/disk"
mkdir "$1/disk/upper" "$1/disk/work" "$1/disk/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/disk/upper,workdir=$1/disk/work" root "$1/disk/root"
# This side of the wire is the user's host.
ip link set lo up
ip link add lan type bridge
ip link set lan up
for address in 198.51.100.1/24 198.51.100.7/24 "2001:db8::1/64 nodad"; do
    # shellcheck disable=SC2086 # an address and its options
    ip address add $address dev lan
done
touch "$1/up"
# When the test ends in any way this ends, and the kernel kills everything in here.
read -r _ || true
