#!/bin/bash
# Inside the machine: takes scripts over the second serial line, answers with what they print.
#
# In:  "run NUMBER LINES", then that many lines of a script.
# Out: what it prints, a line feed, "<<end NUMBER STATUS".
stty raw -echo
printf '\n<<ready %s\n' "$(cat /proc/sys/kernel/random/boot_id)"
while read -r word number lines; do
    [ "$word" = run ] || continue
    for ((i = 0; i < lines; i++)); do
        IFS= read -r line && printf '%s\n' "$line"
    done >/run/agent.sh
    bash /run/agent.sh </dev/null 2>&1
    status=$?
    printf '\n<<end %s %s\n' "$number" "$status"
done
