#!/bin/bash
# Makes the disk of a virtual machine: image.sh LAYERS FILES FILESYSTEM MIB DISK
#
# LAYERS is what rootfs.sh printed, FILES a directory that is laid over it, FILESYSTEM ext4 or
# xfs. The disk holds the file system and no partition table. Needs root.
set -euo pipefail

layers=$1 files=$2 filesystem=$3 mib=$4 disk=$5

# Its mounts are gone when it ends, however it ends.
if [ -z "${SAFE_APPLY_IN_NAMESPACE:-}" ]; then
    exec env SAFE_APPLY_IN_NAMESPACE=1 unshare --mount --propagation private -- "$0" "$@"
fi

work=$(mktemp -d "$disk.XXXXXX")
trap 'umount -l "$work" 2>/dev/null; rmdir "$work"' EXIT
mount -t tmpfs tmpfs "$work"
mkdir "$work/tree" "$work/disk"
mount -t overlay overlay -o "lowerdir=$files:$layers" "$work/tree"

rm -f "$disk"
truncate -s "${mib}M" "$disk"
case $filesystem in
    ext4)
        # What is set up later, in the background, would be written during the tests.
        mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -d "$work/tree" "$disk"
        ;;
    xfs)
        mkfs.xfs -q "$disk"
        mount -t xfs -o loop "$disk" "$work/disk"
        cp -a "$work/tree/." "$work/disk/"
        umount "$work/disk"
        ;;
    *)
        echo "image.sh: no file system $filesystem" >&2
        exit 2
        ;;
esac
