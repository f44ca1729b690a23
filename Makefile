# A thin face over Meson and the scripts: what each target does is in the file it names.
# BUILD names the build directory (build; for somebody else's clone see lab/where), PREFIX where it is
# installed (/usr/local, or where it was built for), PARTS what setup installs.
PARTS ?= build test lab bench
ifdef BUILD
export AETHER_BUILD := $(BUILD)
endif
prefix = $(if $(PREFIX),"--prefix=$(PREFIX)")

.PHONY: all setup demo test fuzz bench install format clean help

all: ## build; installs the packages that takes, and no others
	@lab/setup build
	@lab/build $(prefix)

setup: ## install the packages of all parts of lab/packages, or of PARTS
	@lab/setup $(PARTS)

demo: ## the main job, in the lab: the kernel's socket and Aether on one card, idle and loaded; the proof
	@lab/setup build lab
	@lab/build $(prefix)
	@lab/demo

test: ## every test; ends with "N passed, N failed"
	@lab/setup build lab test
	@tests/run

fuzz: ## every fuzzer, FUZZ_SECONDS each (600)
	@lab/setup build test
	@tests/run --fuzz-seconds $${FUZZ_SECONDS:-600} fuzz

bench: ## Aether beside DPDK on the same rings
	@lab/setup build bench
	@lab/build $(prefix) -Dbench=enabled
	@bench/run

install: all ## into PREFIX, below DESTDIR
	meson install --no-rebuild -C "$$(lab/where build)"
	[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || { ldconfig; lab/directories "$$(lab/where build)"; }

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	build=$$(lab/where build) && rm -rf "$$build" "$$build-asan" "$$build-tsan"

help:
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile
