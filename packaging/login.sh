# shellcheck shell=sh
# At login: says that a firewall change waits for confirmation, or what became of the last one.
# For sh, bash and zsh. Silent without a terminal, and where there is nothing to say.
case $- in
*i*)
    if [ -e /run/safe-apply/notice.json ] && [ -t 2 ] && [ -x @BINDIR@/safe-apply ]; then
        @BINDIR@/safe-apply status --notice >&2 || :
    fi
    ;;
esac
