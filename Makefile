# `make help` lists the targets. Nothing needs to be configured.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo

BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man/man1
UNITDIR = $(PREFIX)/lib/systemd/system
BASHDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR = $(PREFIX)/share/zsh/site-functions
FISHDIR = $(PREFIX)/share/fish/vendor_completions.d

TARGET = $(or $(CARGO_TARGET_DIR),target)
BINARY = $(TARGET)/release/safe-apply
DOCS = $(TARGET)/docs
UNITS = safe-apply-guardian@.service safe-apply-recover.service safe-apply-recover-files.service \
	safe-apply-recheck.service
SCRIPTS = .ci/run $(wildcard tests/*.sh tests/*/*.sh tests/*/*/*.sh)

DEMO_NEEDS = ip iptables-nft nft ipset ssh sshd
TEST_NEEDS = $(DEMO_NEEDS) iptables-legacy tmux screen sudo systemd-analyze
MACHINES_NEEDS = ip debootstrap systemd-nspawn ssh ssh-keygen
BENCH_NEEDS = ip iptables-nft nft ipset

# SUITE=unit: the tests beside the code; SUITE=NAME: the files tests/NAME*.rs; of
# test-machines: the tests with NAME in their path.
SUITE ?=
# Most tests wait for countdowns: more of them at once than there are cores.
THREADS ?= 8
# Machines that run side by side.
MACHINES ?= 3
SELECT = $(if $(SUITE),$(if $(filter unit,$(SUITE)),--lib,--test '$(SUITE)*'),)

.PHONY: build docs demo test test-machines bench install uninstall lint clean help

build: ## build the release binary, the man pages and the completions (default)
	$(CARGO) build --release --locked
	$(MAKE) --no-print-directory docs

docs:
	$(CARGO) run --quiet --locked --example generate-docs -- '$(DOCS)'

demo: ## the whole story in throw-away network namespaces
	tests/install-packages.sh $(DEMO_NEEDS)
	$(CARGO) build --release --locked
	$(BINARY) demo

test: ## run the tests: SUITE=unit, SUITE=e2e, SUITE=rehearsal, SLOW=1
	tests/install-packages.sh $(TEST_NEEDS)
	RUST_TEST_THREADS=$(THREADS) $(if $(SLOW),SAFE_APPLY_SLOW=1) $(CARGO) test --locked $(SELECT) $(if $(SLOW),-- --include-ignored)

test-machines: ## tests on whole machines, root filesystems cached: SUITE=NAME, SLOW=1
	tests/install-packages.sh $(MACHINES_NEEDS)
	RUST_TEST_THREADS=$(MACHINES) $(if $(SLOW),SAFE_APPLY_SLOW=1) $(CARGO) test --locked --test machines -- $(SUITE)

bench: ## compare with iptables-restore, iptables-save and nft -f
	tests/install-packages.sh $(BENCH_NEEDS)
	$(CARGO) bench --locked --bench ratios

# As root after `make` as somebody else: builds only what is missing.
install: ## install under PREFIX (/usr/local), below DESTDIR
	test -x '$(BINARY)' -a -d '$(DOCS)' || $(MAKE) --no-print-directory build
	install -D -m 0755 '$(BINARY)' '$(DESTDIR)$(BINDIR)/safe-apply'
	install -d '$(DESTDIR)$(UNITDIR)' '$(DESTDIR)$(MANDIR)'
	for unit in $(UNITS); do \
	    sed 's|@BINDIR@|$(BINDIR)|g' "systemd/$$unit" > '$(DESTDIR)$(UNITDIR)'/"$$unit" && \
	    chmod 0644 '$(DESTDIR)$(UNITDIR)'/"$$unit" || exit 1; \
	done
	install -m 0644 '$(DOCS)'/*.1 '$(DESTDIR)$(MANDIR)/'
	install -D -m 0644 '$(DOCS)/safe-apply.bash' '$(DESTDIR)$(BASHDIR)/safe-apply'
	install -D -m 0644 '$(DOCS)/_safe-apply' '$(DESTDIR)$(ZSHDIR)/_safe-apply'
	install -D -m 0644 '$(DOCS)/safe-apply.fish' '$(DESTDIR)$(FISHDIR)/safe-apply.fish'
	@if [ -z '$(DESTDIR)' ] && [ -d /run/systemd/system ]; then \
	    echo 'To settle, at boot, what a power cut leaves behind:'; \
	    echo '  systemctl daemon-reload && systemctl enable safe-apply-recover.service safe-apply-recheck.service'; \
	fi

uninstall: ## remove what install installed; transactions in /var/lib/safe-apply stay
	rm -f '$(DESTDIR)$(BINDIR)/safe-apply' $(foreach unit,$(UNITS),'$(DESTDIR)$(UNITDIR)/$(unit)')
	rm -f '$(DESTDIR)$(MANDIR)/safe-apply.1' '$(DESTDIR)$(MANDIR)'/safe-apply-*.1
	rm -f '$(DESTDIR)$(BASHDIR)/safe-apply' '$(DESTDIR)$(ZSHDIR)/_safe-apply' '$(DESTDIR)$(FISHDIR)/safe-apply.fish'

lint: ## format check, clippy, shellcheck
	tests/install-packages.sh shellcheck
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	shellcheck $(SCRIPTS)

clean: ## remove what was built
	$(CARGO) clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
