//! What the help texts say beyond one line per option.

/// Below `safe-apply -h`.
pub const SHORT: &str = "\
Examples:
  safe-apply check rules.v4       only rehearse: would these rules lock you out?
  safe-apply rules.v4             apply; restore after 60 s unless somebody confirms
  safe-apply confirm              keep the rules; type it in a new login

A file named like a verb is given with its directory: ./status
`safe-apply --help` lists the exit statuses and more examples.";

/// Below `safe-apply --help`.
pub const LONG: &str = "\
Examples:
  Apply, and have five minutes to confirm:
      safe-apply --timeout 5m rules.v4

  Confirm from a second terminal. It must be a new login, opened after the rules
  went live; that is the proof that the new rules still let you in:
      ssh root@198.51.100.2 safe-apply confirm

  IPv4 rules, IPv6 rules and sets, all of them live or none:
      safe-apply v4:rules.v4 v6:rules.v6 sets.ipset

  Rules from standard input:
      generate-rules | safe-apply -

  Rehearse only. Applying does the same first, and refuses what would lock you out:
      safe-apply check rules.v4

  Refuse rules that close the web server, or DNS to one customer:
      safe-apply --require tcp/443 --require udp/53@198.51.100.7 rules.v4

  The same net around a command:
      safe-apply run -- ufw enable

  In a script: apply, test from elsewhere, then confirm or roll back:
      safe-apply --detach --json rules.nft

Rules files:
  Each file is in iptables-save, nft or ipset save format; its content tells which.
  A verb comes first on the command line. A file named like a verb is given with its
  directory, such as ./status.

Exit status:
  0  committed, or the verb succeeded
  1  failed; the firewall is as it was
  2  usage; nothing was touched
  3  rolled back: not confirmed in time
  4  rolled back on request (Ctrl-C, SIGTERM, `safe-apply rollback`)
  5  refused: the rehearsal predicts a lockout, or something required is blocked;
     or a `confirm` does not come over a new connection
  6  another transaction is pending
  7  the rollback is incomplete: the message says what differs and where the
     checkpoint lies

Under systemd:
  The guardian is a unit, safe-apply-guardian@ID.service; `systemctl status` shows how
  long it has left. Stopping it, and a shutdown, roll back. All events are in the journal,
  with the fields SAFE_APPLY_TRANSACTION, SAFE_APPLY_EVENT, SAFE_APPLY_STATE and a
  MESSAGE_ID for each event (README.md lists them):
      journalctl -t safe-apply
      journalctl -t safe-apply SAFE_APPLY_TRANSACTION=20261122-121643-k7
      journalctl -t safe-apply SAFE_APPLY_EVENT=rolled_back

Files:
  /etc/safe-apply.toml     group: whose members may confirm; history: how many past
                           transactions are kept; require: what has to be open
  /var/lib/safe-apply/     transactions and their checkpoints
  /run/safe-apply/         lock, control socket, what logins are told

Environment:
  SAFE_APPLY_CONFIG        another configuration file
  SAFE_APPLY_STATE_DIR     another directory for transactions
  SAFE_APPLY_RUN_DIR       another directory for the lock and the socket
  SAFE_APPLY_ROOT          stands for / where --persist looks for the system's files";

/// Below the help of `run`.
pub const RUN: &str = "\
Examples:
  safe-apply run -- iptables -F
  safe-apply run --timeout 5m -- ufw enable
  safe-apply run -- sh -c 'ipset flush admins && ./firewall.sh'

The command has the terminal. If it fails, or is still running at the end of the
timeout, the rules from before are restored.";

/// Below the help of `check`.
pub const CHECK: &str = "\
Examples:
  safe-apply check rules.v4
  safe-apply check --live
  safe-apply check --as 203.0.113.7 rules.v4              somebody else's login
  safe-apply check --as [2001:db8::7]:51234 --port 2222 rules.v6
  safe-apply check --require tcp/443 --json v4:rules.v4 v6:rules.v6

The rules are loaded into scratch network namespaces that look like this host,
and real packets are sent through them. The live rules are not touched.

Exit status:
  0  the rules let you in, and everything required is open; or there is no login
     over the network to rehearse
  1  the rules do not load or have no way back, or whether they let you in could
     not be rehearsed
  2  usage
  5  a lockout is predicted, or something required is blocked";

/// Below the help of `confirm`.
pub const CONFIRM: &str = "\
Examples:
  ssh root@198.51.100.2 safe-apply confirm
  ssh admin@198.51.100.2 sudo safe-apply confirm
  ssh -S none root@198.51.100.2 safe-apply confirm    past a shared (multiplexed) connection

A session that was open before the rules went live proves nothing: established
connections often outlive rules that shut everybody else out. It is refused with
exit status 5, and the countdown goes on.";

/// Below the help of `rollback`.
pub const ROLLBACK: &str = "\
Examples:
  safe-apply rollback
  safe-apply rollback 20261122-121643-k7";

/// Below the help of `extend`.
pub const EXTEND: &str = "\
Examples:
  safe-apply extend 5m
  safe-apply extend 90s 20261122-121643-k7";

/// Below the help of `status`.
pub const STATUS: &str = "\
Examples:
  safe-apply status
  safe-apply status --json
  safe-apply status --notice      what /etc/profile.d/safe-apply.sh prints at login";

/// Below the help of `history`.
pub const HISTORY: &str = "\
Examples:
  safe-apply history
  safe-apply history --json";

/// Below the help of `show`.
pub const SHOW: &str = "\
Examples:
  safe-apply show 20261122-121643-k7";

/// Below the help of `recover`.
pub const RECOVER: &str = "\
Examples:
  safe-apply recover
  safe-apply recover --files    # at boot, before anything loads rules

The system runs it at boot: before anything loads rules, to take back files that
nobody has confirmed (--files, safe-apply-recover-files.service), and after the rules are loaded and before the network is up
(safe-apply-recover.service). Where that has settled something, it runs once more when
everything has started, for some rules are loaded late (safe-apply-recheck.service).
Any other verb does the same first when it finds a transaction that nobody guards.";

/// Below the help of `demo`.
pub const DEMO: &str = "\
Examples:
  safe-apply demo

Needs root, or a kernel that lets users make user namespaces. The rules of this
machine are not touched.";
