#!/bin/bash
# Makes a tree that looks like another distribution's: tree.sh alpine|rhel DEBIAN TREE, with the root
# directory of a Debian that has busybox-static and musl.
#
# In it are busybox, musl's loader, os-release, accounts and an nsswitch.conf; no glibc, no
# systemd, no program that is linked with anything. Then tree.sh tools DEBIAN TREE adds Debian's
# nft, iptables and ipset with the libraries that those need.
set -euo pipefail

kind=$1 debian=$2 tree=$3

os_release() {
    case $kind in
        alpine) printf 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.3\n' ;;
        rhel) printf 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n' ;;
    esac
}

begin() {
    mkdir -p "$tree"/{bin,dev,etc,home/bob,lib,proc,root,run,sbin,tmp,usr/bin,usr/sbin,usr/lib,var/lib}
    cp "$debian/bin/busybox" "$tree/bin/"
    cp -L "$debian"/lib/ld-musl-*.so.1 "$tree/lib/"
    local applet
    for applet in $("$tree/bin/busybox" --list); do
        ln -s busybox "$tree/bin/$applet" 2>/dev/null || true
    done
    os_release >"$tree/etc/os-release"
    printf 'root:x:0:0::/root:/bin/sh\nbob:x:4002:4002::/home/bob:/bin/sh\n' >"$tree/etc/passwd"
    printf 'root:x:0:\nbob:x:4002:\nfwadmin:x:4100:bob\n' >"$tree/etc/group"
    # Modules that a static program could not load.
    printf 'passwd: sss systemd files\ngroup: sss systemd files\n' >"$tree/etc/nsswitch.conf"
    case $kind in
        alpine) mkdir -p "$tree/etc/runlevels/default" ;;
        rhel) mkdir -p "$tree/etc/sysconfig" ;;
    esac
    mount -t proc proc "$tree/proc"
    mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
    local number
    for number in null:3 zero:5 urandom:9; do
        mknod -m 666 "$tree/dev/${number%:*}" c 1 "${number#*:}"
    done
}

# Copies a program of the Debian, and what the loader finds for it.
copy() {
    local file
    chroot "$debian" ldd "$1" | grep -o '/[^ ]*' | while read -r file; do
        mkdir -p "$tree$(dirname "$file")"
        cp -L "$debian$file" "$tree$file"
    done
    mkdir -p "$tree/usr/sbin"
    cp -L "$debian$1" "$tree/usr/sbin/"
}

tools() {
    local program extensions family
    for program in nft xtables-nft-multi xtables-legacy-multi ipset; do
        copy "/usr/sbin/$program"
    done
    extensions=$(cd "$debian" && echo usr/lib/*/xtables)
    mkdir -p "$tree/$(dirname "$extensions")"
    cp -r "$debian/$extensions" "$tree/$(dirname "$extensions")/"
    for family in iptables ip6tables; do
        for program in '' -save -restore; do
            ln -s xtables-nft-multi "$tree/usr/sbin/$family$program"
            ln -s xtables-nft-multi "$tree/usr/sbin/$family-nft$program"
            ln -s xtables-legacy-multi "$tree/usr/sbin/$family-legacy$program"
        done
    done
}

case $kind in
    tools) tools ;;
    *) begin ;;
esac
