#!/bin/bash
# Starts sshd on the server: ports 22 and 2222, keys only, no PAM.
set -eu
cd /run/lab
ssh-keygen -q -t ed25519 -N '' -f host_key
ssh-keygen -q -t ed25519 -N '' -f key
cat >/etc/ssh/sshd_config <<END
Port 22
Port 2222
HostKey /run/lab/host_key
AuthorizedKeysFile /run/lab/key.pub
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
MaxStartups 100
PidFile none
LoginGraceTime 20
END
"$(command -v sshd)" -E /run/lab/sshd.log </dev/null >/dev/null 2>&1
# It leaves the foreground before it listens: on both ports, over IPv4 and IPv6.
for ((i = 0; i < 2000; i++)); do
	[ "$(grep -c '^Server listening' sshd.log)" = 4 ] && exit
	sleep 0.01
done
cat sshd.log >&2
exit 1
