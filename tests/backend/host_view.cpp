// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What the host reads: the rows themselves, or a copy of those of a device.

#include "catch.hpp"

#include <dsr1/backend/context.hpp>
#include <dsr1/backend/host_view.hpp>
#include <dsr1/cpu/cpu.hpp>

using namespace dsr1;

namespace {

/// Host memory that says that it is not.
struct far_memory final : memory {
  void* allocate(std::size_t bytes) override { return host_memory::instance().allocate(bytes); }
  void deallocate(void* p, std::size_t n) noexcept override {
    host_memory::instance().deallocate(p, n);
  }
  bool on_host() const override { return false; }
};
struct far_backend : cpu {
  struct device : cpu_device {
    using cpu_device::cpu_device;
    far_memory own;
    dsr1::memory& memory() { return own; }
  };
};

}  // namespace

TEST_CASE("host_view: rows of the host are not copied, those of a device are") {
  std::vector<float> kept;
  context<cpu> here({.threads = 1});
  const auto x = here.take<float>(2, 3);
  cpu::fill(here, x.flat(), 4);
  CHECK(host_view(here, view<const float, 2>(x), kept).data == x.data);
  CHECK(kept.empty());
  context<far_backend> there({.threads = 1});
  const auto y = there.take<float>(2, 3);
  cpu::fill(there, y.flat(), 5);
  const auto copy = host_view(there, view<const float, 2>(y), kept);
  CHECK(copy.data == kept.data());
  CHECK(kept == std::vector<float>(6, 5));
  CHECK(copy.rows() == 2);
  CHECK(mentions(
      message_of([&] { host_view(there, view<const float, 2>(y).slice_columns(0, 2), kept); }),
      "host_view of [2, 2]"));
}
