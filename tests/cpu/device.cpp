// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a CPU context owns.

#include <atomic>
#include <thread>

#include "cpu/isa_guard.hpp"

#include <dsr1/backend/context.hpp>
#include <dsr1/cpu/device.hpp>

using namespace dsr1;

namespace {

struct only_device {
  using device = cpu_device;
};

}  // namespace

TEST_CASE("cpu_device: threads as asked for, or as many as there are") {
  CHECK(cpu_device({.threads = 3}).pool().size() == 3);
  CHECK(cpu_device({.threads = 0}).pool().size() ==
        std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
  CHECK(mentions(message_of([] { cpu_device d({.threads = -2}); }), "-2 threads"));
}

TEST_CASE("cpu_device: products of bfloat16 are refused") {
  CHECK(mentions(message_of([] { cpu_device d({.products = product_type::bf16}); }),
                 "products bf16", "expected exact"));
}

TEST_CASE("cpu_device: the instruction set is read once, when it is made") {
  const isa_guard guard(isa::generic);
  cpu_device d({.threads = 1});
  CHECK(d.instructions() == isa::generic);
  {
    const isa_guard other("");
    CHECK(d.instructions() == isa::generic);
  }
  CHECK(&d.memory() == &host_memory::instance());
  const isa_guard wrong("mmx");
  CHECK(mentions(message_of([] { cpu_device bad({}); }), "DSR1_ISA is mmx"));
}

TEST_CASE("cpu_device: parallel_for runs on the threads of a context") {
  context<only_device> ctx({.threads = 2});
  std::atomic<int> sum = 0;
  parallel_for(ctx, 100, [&](index_t task, int worker) {
    sum += static_cast<int>(task) * (worker >= 0 && worker < 2);
  });
  CHECK(sum == 4950);
}
