# At login: says that a firewall change waits for confirmation, or what became of the last one.
# Silent without a terminal, and where there is nothing to say.
if status is-login; and status is-interactive; and isatty stderr
    if test -e /run/safe-apply/notice.json; and test -x @BINDIR@/safe-apply
        @BINDIR@/safe-apply status --notice >&2
    end
end
