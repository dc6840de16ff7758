# The commands of the README. Everything else is CMake: see CMakePresets.json.
#
#   make demo           installs what is missing, builds, trains a model on real text, shows it
#   make demo MINUTES=1 the same for the impatient
#   make test           installs what is missing, builds, runs the whole suite
#   make build          configures into build/; all programs land in build/bin/

MINUTES ?= 9
JOBS ?= $(shell nproc)

.PHONY: demo test build packages format tidy clean

demo: packages
	@JOBS=$(JOBS) scripts/demo.sh $(MINUTES)

test: build
	cmake --build build -j $(JOBS)
	ctest --test-dir build --output-on-failure -j $(JOBS)

build: packages
	cmake -S . -B build -G Ninja
	cmake --build build -j $(JOBS) --target programs

packages:
	@scripts/install_debian.sh

format:
	git ls-files '*.hpp' '*.cpp' '*.inc' '*.cuh' '*.h' | xargs clang-format-16 -i

# Needs clang-tidy 14 or newer.
tidy: build
	clang-tidy --quiet -p build examples/0*.cpp

clean:
	rm -rf build
