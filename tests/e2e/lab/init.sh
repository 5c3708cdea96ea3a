#!/bin/bash
# Runs as the server's first process: private places, own accounts.
# $1 the lab's directory, $2 the binary under test, $3 what `iptables` is.
set -eu
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lab /run/sshd /run/lock
mount --bind "$1" /run/lab
cp -a /etc /run/etc
mount --bind /run/etc /etc
# Before the mounts below, which may hide where the binary was built.
mkdir /run/bin
touch /run/bin/safe-apply
mount --bind "$2" /run/bin/safe-apply
mount --rbind /run/bin /usr/local/bin
for place in /var/lib /root /home /tmp; do
	mount -t tmpfs -o mode=755 tmpfs "$place"
done
chmod 1777 /tmp
chmod 700 /root
for family in iptables ip6tables; do
	for tool in "" -save -restore; do
		ln -sfn "/usr/sbin/$family-$3$tool" "/etc/alternatives/$family$tool"
	done
done
rm -rf /etc/iptables /etc/nftables.conf /etc/safe-apply.toml /etc/sudoers.d
printf 'alice:x:4001:4001::/home/alice:/bin/bash\nbob:x:4002:4002::/home/bob:/bin/bash\n' >>/etc/passwd
printf 'alice:*:20000::::::\nbob:*:20000::::::\n' >>/etc/shadow
printf 'alice:x:4001:\nbob:x:4002:\nfwadmin:x:4100:bob\n' >>/etc/group
sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
printf 'Defaults secure_path=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nroot ALL=(ALL) NOPASSWD: ALL\nalice ALL=(ALL) NOPASSWD: ALL\n' >/etc/sudoers
chmod 440 /etc/sudoers
printf '127.0.0.1 localhost %s\n' "$(cat /proc/sys/kernel/hostname)" >/etc/hosts
mkdir -m 755 /home/alice /home/bob
chown 4001:4001 /home/alice
chown 4002:4002 /home/bob
touch /run/lab/up
read -r _
