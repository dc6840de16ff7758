// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where there are devices: the operations in their memory, one rank for each, at most four.

#include <algorithm>
#include <vector>

#include "catch.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/nccl/group.hpp>

using namespace dsr1;

namespace {

/// A vector on the device, of small whole numbers, so that every order of a sum has the same bits.
class on_device {
 public:
  explicit on_device(const std::vector<float>& v) : size_(v.size()) {
    check(cudaMalloc(&data_, std::max<std::size_t>(1, size_) * sizeof(float)), "cudaMalloc");
    check(cudaMemcpy(data_, v.data(), size_ * sizeof(float), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  ~on_device() { cudaFree(data_); }
  on_device(const on_device&) = delete;
  on_device& operator=(const on_device&) = delete;

  view<float, 1> all() const {
    return view<float, 1>(static_cast<float*>(data_), static_cast<index_t>(size_));
  }
  void expect(const std::vector<float>& should) const {
    std::vector<float> is(size_);
    check(cudaMemcpy(is.data(), data_, size_ * sizeof(float), cudaMemcpyDeviceToHost),
          "cudaMemcpy");
    expects(is == should, "other numbers on the device than expected");
  }

 private:
  void* data_ = nullptr;
  std::size_t size_;
};

void operations(nccl_group& group) {
  const int w = group.size(), me = group.rank(), total = w * (w + 1) / 2;
  const auto ranks = static_cast<std::size_t>(w);
  const auto mine = static_cast<float>(me + 1), sum = static_cast<float>(total);
  const on_device v(std::vector<float>(1000, mine));
  group.all_reduce(v.all());
  v.expect(std::vector<float>(1000, sum));

  std::vector<index_t> counts(ranks);
  std::vector<float> gathered;
  for (std::size_t r = 0; r < ranks; ++r) {
    counts[r] = static_cast<index_t>(10 * r + 3);
    gathered.insert(gathered.end(), 10 * r + 3, static_cast<float>(r + 1));
  }
  const auto own = static_cast<std::size_t>(counts[static_cast<std::size_t>(me)]);
  const on_device all(std::vector<float>(gathered.size(), -1)), part(std::vector<float>(own, mine));
  group.all_gather(view<const float, 1>(part.all()), counts, all.all());
  all.expect(gathered);
  group.reduce_scatter(view<const float, 1>(all.all()), counts, part.all());
  part.expect(std::vector<float>(own, mine * static_cast<float>(w)));

  const std::vector<index_t> each(ranks, 7);
  const on_device in(std::vector<float>(7 * ranks, mine)), out(std::vector<float>(7 * ranks, -1));
  group.all_to_all_v(view<const float, 1>(in.all()), each, out.all(), each);
  std::vector<float> exchanged;
  for (std::size_t r = 0; r < ranks; ++r) exchanged.insert(exchanged.end(), 7, float(r + 1));
  out.expect(exchanged);

  const on_device b(std::vector<float>(5, mine));
  group.broadcast(b.all(), w - 1);
  b.expect(std::vector<float>(5, static_cast<float>(w)));
  group.barrier();
}

}  // namespace

TEST_CASE("nccl: the operations in device memory, and in groups made from groups", "[cuda]") {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    WARN("skipped: no CUDA device");
    return;
  }
  run_ranks(std::min(devices, 4), [](rank_group& host) {
    check(cudaSetDevice(host.rank()), "cudaSetDevice");
    cudaStream_t stream = nullptr;
    check(cudaStreamCreate(&stream), "cudaStreamCreate");
    {
      nccl_group group(host.duplicate(), stream, {.patience = 60, .checksums = true});
      operations(group);
      nccl_group part = group.split(group.rank() % 2, -group.rank());
      operations(part);
      const std::string what = message_of([&] { group.broadcast(view<float, 1>(), 99); });
      expects(what == text("broadcast from rank 99 of ", group.size()), what);
    }
    check(cudaStreamDestroy(stream), "cudaStreamDestroy");
  });
}
