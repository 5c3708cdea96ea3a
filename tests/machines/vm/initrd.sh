#!/bin/bash
# Makes the initial RAM disk of a virtual machine: initrd.sh LAYER INITRD
#
# LAYER is the tree with Debian's kernel and busybox. Debian's own initial RAM disk would do too,
# but detects hardware for longer than all of the rest of the boot takes.
set -euo pipefail

layer=$1 initrd=$2
modules=(virtio_pci virtio_blk crc32c-intel libcrc32c xfs)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/dev" "$work/root" "$work/modules"
cp "$layer/usr/bin/busybox" "$work/busybox"
kernel=("$layer"/usr/lib/modules/*)
number=100
for module in "${modules[@]}"; do
    # "MODULE: WHAT IT NEEDS, the last first", all relative to the directory (modules.dep(5)).
    line=$(grep -E "/$module\.ko:" "${kernel[0]}/modules.dep")
    for file in $(tr ' ' '\n' <<<"${line#*:}" | tac) "${line%%:*}"; do
        name=${file##*/}
        if ! compgen -G "$work/modules/*-$name" >/dev/null; then
            cp "${kernel[0]}/$file" "$work/modules/$((number++))-$name"
        fi
    done
done
cat >"$work/init" <<'END'
#!/busybox sh
/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do
    /busybox insmod "$module"
done
while [ ! -b /dev/vda ]; do
    /busybox usleep 10000
done
/busybox mount -t ext4 /dev/vda /root 2>/dev/null || /busybox mount -t xfs /dev/vda /root
exec /busybox switch_root /root /lib/systemd/systemd
END
chmod 0755 "$work/init"
(cd "$work" && find . | ./busybox cpio --quiet -o -H newc) >"$initrd"
