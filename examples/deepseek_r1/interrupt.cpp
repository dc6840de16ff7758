// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Signals, and the lock of a run.

#include "interrupt.hpp"

#include <csignal>

#include <dsr1/io/atomic_file.hpp>

namespace seed {
namespace {

volatile std::sig_atomic_t noted = 0;
extern "C" void on_signal(int signal) {
  noted = signal;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void interrupt::listen() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

int interrupt::signal() { return noted; }

dsr1::open_file lock_of_run(const std::filesystem::path& run) {
  dsr1::open_file folder(run.string(), O_RDONLY | O_DIRECTORY);
  dsr1::expects(dsr1::lock_for_writing(folder), run.string(), " is being trained by somebody else");
  return folder;
}

}  // namespace seed
