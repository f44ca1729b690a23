# A thin face over Meson and the scripts: what each target does is in the file it names.
BUILD ?= build
PREFIX ?= /usr/local

.PHONY: all setup demo test fuzz bench install format clean help

all: setup $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) --buildtype=debugoptimized --prefix=$(PREFIX)

setup: ## install the packages of lab/packages that are missing
	@lab/setup

demo: all ## the main job, in the lab: kernel sockets, then Aether, on one card; and the proof
	lab/demo

test: setup ## every test; ends with "N passed, N failed"
	tests/run

fuzz: setup ## every fuzzer, FUZZ_SECONDS each (600)
	tests/run --fuzz-seconds $${FUZZ_SECONDS:-600} fuzz

bench: all ## Aether beside DPDK on the same rings
	bench/run

install: all
	meson install -C $(BUILD)
	[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build build-*

help:
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile
