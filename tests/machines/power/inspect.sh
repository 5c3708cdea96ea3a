#!/bin/bash
# Inside the machine, after a boot: what is live, what is in the files that are loaded at boot, and
# what safe-apply says. One line each: "@@ NAME VALUE".
set -u
shopt -s nullglob

say() {
    printf '@@ %s %s\n' "$1" "$(tr '\n' ' ')"
}

# How many rules of which version; how many NUL; how many COMMIT or closing braces.
count() {
    tr '\0' '@' | awk '
        { zeros += gsub(/@/, "") }
        /^COMMIT$|^}$/ { ends++ }
        match($0, /v[0-9]+end/) { rules[substr($0, RSTART + 1, RLENGTH - 4)]++ }
        END {
            printf "{\"zeros\":%d,\"ends\":%d,\"rules\":{", zeros, ends
            for (version in rules) printf "%s\"%s\":%d", comma++ ? "," : "", version, rules[version]
            print "}}"
        }'
}

{ iptables-save -t filter; } 2>&1 | count | say live-v4
{ ip6tables-save -t filter; } 2>&1 | count | say live-v6
nft list table inet story 2>&1 | count | say live-native
count </etc/iptables/rules.v4 | say file-v4
count </etc/iptables/rules.v6 | say file-v6
count </etc/nftables.conf | say file-native

# As the last boot left it, before recover looked at it.
for dir in /run/found/*/; do
    checkpoint=false
    [ -e "$dir/checkpoint" ] && checkpoint=true
    printf '@@ found %s %s %s\n' "$(basename "$dir")" "$checkpoint" \
        "$(tr -d '\0' <"$dir/journal" 2>/dev/null | tail -n 1 | cut -c 10-)"
done | tail -n 1
systemctl show -p Result -p ExecMainStatus -p ActiveState safe-apply-recover.service | say recover
journalctl --boot --output cat --unit safe-apply-recover.service 2>&1 | say recover-said
for unit in netfilter-persistent nftables; do
    systemctl is-active "$unit.service" | say "$unit"
    journalctl --boot --output cat --unit "$unit.service" 2>&1 | say "$unit-said"
done
safe-apply status --json | say status
safe-apply history --json | say history
