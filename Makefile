# `make help` lists the targets. Nothing needs to be configured.

PREFIX ?= /usr/local
export DESTDIR ?=
CARGO ?= cargo

# What is installed, and from where, is listed in packaging/files.
export BINDIR = $(PREFIX)/bin
export LIBDIR = $(PREFIX)/lib
export UNITDIR = $(LIBDIR)/systemd/system
export DATADIR = $(PREFIX)/share
export ZSHDIR = $(DATADIR)/zsh/site-functions
export SYSCONFDIR = /etc

# The profile of the binary that is installed and packed; PROFILE=dev is the fast one, for tests.
PROFILE ?= release
TARGET = $(or $(CARGO_TARGET_DIR),target)
BUILT = $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/safe-apply
export BINARY = $(TARGET)/$(BUILT)
export DOCS = $(TARGET)/docs
STAGE = $(CURDIR)/target/stage
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SCRIPTS = .ci/run $(wildcard tests/*.sh tests/*/*.sh tests/*/*/*.sh packaging/login.sh packaging/install.sh packaging/debian/p*)

CARGO_DEB = 3.8.0
# A musl target links a static binary as well, where rustup has it.
STATIC_TARGET ?= $(shell rustc -vV | sed -n 's/^host: //p')
STATIC = $(TARGET)/$(STATIC_TARGET)/$(BUILT)

DEMO_NEEDS = ip iptables-nft nft ipset ssh sshd
TEST_NEEDS = $(DEMO_NEEDS) iptables-legacy mkfs.ext4 tmux screen sudo systemd-analyze zsh fish
MACHINES_NEEDS = ip debootstrap systemd-nspawn ssh ssh-keygen qemu-system-x86_64 mke2fs mkfs.xfs
BENCH_NEEDS = ip iptables-nft nft ipset

# SUITE=unit: the tests beside the code; SUITE=NAME: the files tests/NAME*.rs; of
# test-machines: the tests with NAME in their path.
SUITE ?=
# Most tests wait for countdowns: more of them at once than there are cores.
THREADS ?= 8
# Machines that run side by side.
MACHINES ?= 3
SELECT = $(if $(SUITE),$(if $(filter unit,$(SUITE)),--lib,--test '$(SUITE)*'),)

.PHONY: build docs demo test test-machines bench install uninstall stage deb rpm static lint clean help

build: ## build the release binary, the man pages and the completions (default)
	$(CARGO) build --profile $(PROFILE) --locked
	$(MAKE) --no-print-directory docs

docs:
	$(CARGO) run --quiet --locked --example generate-docs -- '$(DOCS)'

demo: ## the whole story in throw-away network namespaces
	tests/install-packages.sh $(DEMO_NEEDS)
	$(CARGO) build --release --locked
	$(BINARY) demo

test: ## run the tests: SUITE=unit, SUITE=e2e, SUITE=rehearsal, SLOW=1
	tests/install-packages.sh $(TEST_NEEDS)
	RUST_TEST_THREADS=$(THREADS) $(if $(SLOW),SAFE_APPLY_SLOW=1) $(CARGO) test --locked --no-fail-fast $(SELECT) $(if $(SLOW),-- --include-ignored)

test-machines: ## tests on whole machines, root filesystems cached: SUITE=NAME, SLOW=1
	tests/install-packages.sh $(MACHINES_NEEDS)
	$(MAKE) --no-print-directory deb PROFILE=dev
	$(MAKE) --no-print-directory rpm PROFILE=dev
	deb=$$(ls -t target/debian/*.deb | head -n 1) rpm=$$(ls -t target/rpm/*/*.rpm | head -n 1) && \
	SAFE_APPLY_DEB="$(CURDIR)/$$deb" SAFE_APPLY_RPM="$(CURDIR)/$$rpm" \
	SAFE_APPLY_STATIC="$$(realpath '$(TARGET)/$(STATIC_TARGET)/debug/safe-apply')" \
	RUST_TEST_THREADS=$(MACHINES) $(if $(SLOW),SAFE_APPLY_SLOW=1) \
	    $(CARGO) test --locked --test machines -- $(SUITE) $(if $(SLOW),--show-output)

bench: ## compare with iptables-restore, iptables-save and nft -f
	tests/install-packages.sh $(BENCH_NEEDS)
	$(CARGO) bench --locked --bench ratios

# As root after `make` as somebody else: builds only what is missing.
install: ## install under PREFIX (/usr/local), below DESTDIR
	test -x '$(BINARY)' -a -d '$(DOCS)' || $(MAKE) --no-print-directory build
	packaging/install.sh install
	@if [ -z '$(DESTDIR)' ] && [ -d /run/systemd/system ]; then \
	    echo 'To settle, at boot, what a power cut leaves behind:'; \
	    echo '  systemctl daemon-reload && systemctl enable safe-apply-recover.service safe-apply-recheck.service'; \
	fi

uninstall: ## remove what install installed; changed settings and /var/lib/safe-apply stay
	packaging/install.sh uninstall

# The tree that the packages are made of.
stage: docs
	rm -rf '$(STAGE)'
	$(MAKE) --no-print-directory install BINARY='$(BINARY)' PREFIX=/usr ZSHDIR='$(ZSHDIR)' DESTDIR='$(STAGE)'
	strip '$(STAGE)/usr/bin/safe-apply'

deb: ## make a Debian package, target/debian/*.deb: PROFILE=dev for a quick one
	$(CARGO) build --profile $(PROFILE) --locked
	$(MAKE) --no-print-directory stage PROFILE='$(PROFILE)' ZSHDIR=/usr/share/zsh/vendor-completions
	$(CARGO) deb --version 2>/dev/null | grep -qwF '$(CARGO_DEB)' || $(CARGO) install --locked --debug cargo-deb@$(CARGO_DEB)
	$(CARGO) deb --no-build --no-strip --locked --output target/debian/

rpm: static ## make an RPM of the static binary, target/rpm/*/*.rpm
	tests/install-packages.sh rpmbuild
	$(MAKE) --no-print-directory stage BINARY='$(STATIC)' ZSHDIR=/usr/share/zsh/site-functions
	rpmbuild --quiet -bb --define '_topdir $(CURDIR)/target/rpm-build' --define '_rpmdir $(CURDIR)/target/rpm' \
	    --define 'ours_version $(VERSION)' --define 'ours_stage $(STAGE)' --define 'ours_source $(CURDIR)' \
	    packaging/rpm/safe-apply.spec

static: ## build a binary that needs no other file: target/*-linux-*/release/safe-apply
	RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) build --profile $(PROFILE) --locked --target '$(STATIC_TARGET)'

lint: ## format check, clippy, shellcheck
	tests/install-packages.sh shellcheck
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	shellcheck $(SCRIPTS)

clean: ## remove what was built
	$(CARGO) clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
