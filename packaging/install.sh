#!/bin/bash
# install.sh install|uninstall: puts the files of packaging/files in place below DESTDIR, or removes them.
#
# From the environment: BINARY, DOCS (sources); DESTDIR, BINDIR, LIBDIR, UNITDIR, DATADIR, ZSHDIR,
# SYSCONFDIR (destinations).
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.."

names=(BINARY DOCS BINDIR LIBDIR UNITDIR DATADIR ZSHDIR SYSCONFDIR)

# Replaces @NAME@ in $1.
expand() {
    local text=$1 name
    for name in "${names[@]}"; do
        text=${text//"@$name@"/${!name}}
    done
    printf '%s\n' "$text"
}

# Makes $prepared of the file $1: texts of ours name the directory of the binary.
prepare() {
    case $1 in
        systemd/* | packaging/*) sed "s|@BINDIR@|$BINDIR|g" "$1" >"$prepared" ;;
        *) cat "$1" >"$prepared" ;;
    esac
}

# A name with * in it stands for all files of the source's directory that it fits.
install_files() {
    local mode=$1 source=$2 destination=$3 file
    if [[ $destination == *'*'* ]]; then
        # shellcheck disable=SC2206 # the pattern is to be expanded
        local files=($source)
        for file in "${files[@]}"; do
            install -D -m "$mode" "$file" "$(dirname "$destination")/$(basename "$file")"
        done
    elif [ "$settings" = no ] || [ ! -e "$destination" ]; then
        prepare "$source"
        install -D -m "$mode" "$prepared" "$destination"
    fi
}

uninstall_files() {
    local source=$2 destination=$3
    # shellcheck disable=SC2206 # the pattern is to be expanded
    local files=($destination)
    if [ "$settings" = yes ]; then
        prepare "$source"
        cmp -s "$prepared" "$destination" || files=()
    fi
    rm -f "${files[@]}"
}

verb=${1:?install or uninstall}
prepared=$(mktemp)
trap 'rm -f "$prepared"' EXIT
while read -r mode source destination; do
    case $mode in '' | '#'*) continue ;; esac
    settings=no
    case $destination in @SYSCONFDIR@/*) settings=yes ;; esac
    "${verb}_files" "$mode" "$(expand "$source")" "${DESTDIR:-}$(expand "$destination")"
done <packaging/files
