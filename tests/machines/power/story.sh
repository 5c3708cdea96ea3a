#!/bin/bash
# Inside the machine: one change of the firewall, told line by line: story KIND VERSION KEPT
#
# "## WORDS ." is what somebody at the keyboard sees or does; the full stop shows that the
# line is whole. The rest are safe-apply's events. All rules are marked with their version.
#
#   kept, refused, expired            rules.v4 and rules.v6 with --persist: confirmed, rolled back,
#                                     or left to the deadline
#   boot-kept, boot-refused           the same files that are loaded at boot, already changed
#   native-kept, native-refused       an nft script with --persist
set -u

kind=$1 version=$2 kept=$3
boot=/etc/iptables

tell() {
    printf '## %s .\n' "$*"
}

# In iptables-save format: rules FAMILY VERSION
rules() {
    printf '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:story - [0:0]\n'
    printf -- '-A INPUT -j story\n'
    for ((i = 1; i <= 200; i++)); do
        case $1 in
            v4) address=192.0.2.$i/32 ;;
            v6) address=2001:db8::$i/128 ;;
        esac
        printf -- '-A story -s %s -m comment --comment v%send -j DROP\n' "$address" "$2"
    done
    printf 'COMMIT\n'
}

# An nft script: native VERSION
native() {
    printf 'table inet story\ndelete table inet story\ntable inet story {\n  chain input {\n'
    printf '    type filter hook input priority 10; policy accept;\n'
    for ((i = 1; i <= 200; i++)); do
        printf '    ip saddr 198.51.100.%s counter drop comment "v%send"\n' "$i" "$1"
    done
    printf '  }\n}\n'
}

# What an editor does: put FILE, from standard input.
put() {
    cat >"$1.edited" && sync "$1.edited" && mv "$1.edited" "$1" && sync "${1%/*}"
}

answer() {
    # The person looks whether all is well.
    sleep 1
    case $kind in
        *kept)
            tell answering
            safe-apply confirm --force && tell confirmed "$version"
            ;;
        *refused)
            tell answering
            safe-apply rollback && tell rolled back
            ;;
    esac
}

timeout=300
case $kind in
    load)
        # Not a change: the files that are loaded at boot, and what is live, become VERSION,
        # and KEPT for nft's.
        for family in v4 v6; do
            rules "$family" "$version" | put "$boot/rules.$family"
        done
        { echo '#!/usr/sbin/nft -f'; native "$kept"; } | put /etc/nftables.conf
        iptables-restore <"$boot/rules.v4" && ip6tables-restore <"$boot/rules.v6" && nft -f /etc/nftables.conf
        exit
        ;;
    boot-*)
        tell editing
        for family in v4 v6; do
            rules "$family" "$version" | put "$boot/rules.$family"
        done
        change=("v4:$boot/rules.v4" "v6:$boot/rules.v6")
        ;;
    native-*)
        native "$version" >/root/new.nft
        change=(--persist /root/new.nft)
        ;;
    *)
        rules v4 "$version" >/root/new.v4
        rules v6 "$version" >/root/new.v6
        change=(--persist v4:/root/new.v4 v6:/root/new.v6)
        ;;
esac
[ "$kind" = expired ] && timeout=3

tell started "$kind" "$version"
safe-apply --json --timeout "$timeout" "${change[@]}" | while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
        *'"event":"live"'*) answer & ;;
    esac
done
tell ended "${PIPESTATUS[0]}"
# The person goes away; the machine stays on for a moment.
sleep 1
if [ "$kind" = boot-refused ]; then
    for family in v4 v6; do
        rules "$family" "$kept" | put "$boot/rules.$family"
    done
    tell mended
fi
tell over
