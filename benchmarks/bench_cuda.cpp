// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The operations of the CUDA backend on a device, beside what the device does at best: its copy
// bandwidth measured in the same run, and cuBLASLt's product.
//
//     bench_cuda [--json] [--smoke] [options of Google Benchmark]
//
// --smoke takes sizes for a host that plays a device: it shows that all runs, and nothing else.
// Times are those of the stream, between two events.

#include <dsr1/cuda.cuh>

#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <dsr1/moe/gate.hpp>

namespace {

using namespace dsr1;
using context_type = context<cuda>;

bool smoke = false;
index_t size_of(index_t full, index_t small) { return smoke ? small : full; }

class timer {
 public:
  explicit timer(cudaStream_t stream) : stream_(stream) {
    check(cudaEventCreate(&begin_), "cudaEventCreate");
    check(cudaEventCreate(&end_), "cudaEventCreate");
  }
  ~timer() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;

  template <class F>
  double seconds(F&& f) {
    check(cudaEventRecord(begin_, stream_), "cudaEventRecord");
    f();
    check(cudaEventRecord(end_, stream_), "cudaEventRecord");
    check(cudaEventSynchronize(end_), "cudaEventSynchronize");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin_, end_), "cudaEventElapsedTime");
    return 1e-3 * static_cast<double>(ms);
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

/// Bytes read and written per second by the device's own copy.
double copy_bandwidth(context_type& ctx) {
  static double best = 0;
  if (best > 0) return best;
  const workspace::scope scope(ctx.workspace());
  const index_t n = size_of(index_t{1} << 30, 1 << 16);
  const auto a = ctx.take<std::byte>(n), b = ctx.take<std::byte>(n);
  timer t(ctx.device().stream());
  for (int i = 0; i < 10; ++i)
    best = std::max(best, 2 * static_cast<double>(n) / t.seconds([&] {
      check(cudaMemcpyAsync(b.data, a.data, static_cast<std::size_t>(n), cudaMemcpyDeviceToDevice,
                            ctx.device().stream()),
            "cudaMemcpyAsync");
    }));
  return best;
}

struct work {
  double flop = 0, bytes = 0;
};

void measure(benchmark::State& state, context_type& ctx, work w, const std::function<void()>& f) {
  const double copy = copy_bandwidth(ctx);
  timer t(ctx.device().stream());
  f();
  f();
  std::vector<double> times;
  for (auto _ : state) {
    times.push_back(t.seconds(f));
    state.SetIterationTime(times.back());
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  if (w.flop > 0) state.counters["TFLOP/s"] = w.flop / median * 1e-12;
  if (w.bytes > 0) {
    state.counters["GB/s"] = w.bytes / median * 1e-9;
    state.counters["of_copy"] = w.bytes / median / copy;
  }
}

view<float, 2> numbers(context_type& ctx, index_t rows, index_t columns, std::uint64_t seed = 1) {
  const auto x = ctx.take<float>(rows, columns);
  const random_stream stream(5, seed);
  std::vector<float> host(static_cast<std::size_t>(std::min<index_t>(x.size(), 1 << 16)));
  for (std::size_t i = 0; i < host.size(); ++i) host[i] = static_cast<float>(stream.normal(i));
  const auto flat = x.flat();
  for (index_t i = 0; i < flat.rows(); i += static_cast<index_t>(host.size()))
    cuda::upload(ctx, host.data(),
                 flat.slice_rows(i, std::min(static_cast<index_t>(host.size()), flat.rows() - i)));
  return x;
}
view<const float, 2> given(view<float, 2> x) { return x; }
double bytes_of(view<const float, 2> x) { return 4.0 * static_cast<double>(x.size()); }

using body = std::function<void(benchmark::State&, context_type&)>;
void add(const std::string& name, body f, const context_options& options = {}) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [f = std::move(f), options](benchmark::State& state) {
                                 context_type ctx(options);
                                 f(state, ctx);
                               })
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

void add_products() {
  const context_options exact, bf16{.products = product_type::bf16};
  const auto dense = [](const std::string& name, const context_options& options, auto prepare) {
    add(
        "matmul/square/" + name,
        [prepare](benchmark::State& state, context_type& ctx) {
          const index_t n = size_of(8192, 48);
          prepare(ctx);
          const auto a = numbers(ctx, n, n), b = numbers(ctx, n, n, 2), c = numbers(ctx, n, n, 3);
          const double flop = 2.0 * static_cast<double>(n * n) * static_cast<double>(n);
          measure(state, ctx, {.flop = flop}, [&] {
            cuda::matmul(ctx, matrix<const float>(a), transposed(b), c, accumulate::no,
                         view<const float, 1>());
          });
        },
        options);
  };
  const auto own = [](context_type&) {};
  const auto cublas = [](context_type& ctx) { use_cublas(ctx); };
  dense("dsr1", exact, own);
  dense("dsr1_bf16", bf16, own);
  dense("cublas", exact, cublas);
  dense("cublas_tf32", exact, [](context_type& ctx) { use_cublas(ctx, {.tf32 = true}); });
  dense("cublas_bf16", bf16, cublas);
  // 4,096 tokens, four of 128 experts each: gate and linear part of an expert, and the gradients
  // of its weights.
  for (const context_options& options : {exact, bf16})
    for (const bool sums : {false, true})
      add(
          std::string(sums ? "k_" : "m_") + "grouped_matmul/experts" +
              (options.products == product_type::bf16 ? "/bf16" : ""),
          [sums](benchmark::State& state, context_type& ctx) {
            const index_t experts = size_of(128, 8), rows = size_of(4 * 4096, 40),
                          in = size_of(2048, 32), out = size_of(1024, 32);
            std::vector<index_t> ends(static_cast<std::size_t>(experts));
            for (index_t e = 0; e < experts; ++e)
              ends[static_cast<std::size_t>(e)] = rows * (e + 1) / experts;
            const auto x = numbers(ctx, rows, in), y = numbers(ctx, rows, out, 2);
            const auto w = numbers(ctx, experts * out, in, 3).reshaped(experts, out, in);
            const double flop = 2.0 * static_cast<double>(rows * in) * static_cast<double>(out);
            measure(state, ctx, {.flop = flop}, [&] {
              if (sums)
                cuda::k_grouped_matmul(ctx, given(y), given(x), row_groups(ends), w,
                                       accumulate::no);
              else
                cuda::m_grouped_matmul(ctx, given(x), row_groups(ends), view<const float, 3>(w),
                                       true, y, view<const float, 2>());
            });
          },
          options);
}

void add_rows() {
  const auto shape = [](auto f) {
    return [f](benchmark::State& state, context_type& ctx) {
      f(state, ctx, size_of(16384, 64), size_of(2048, 64));
    };
  };
  add("gather_rows", shape([](benchmark::State& state, context_type& ctx, index_t n, index_t dim) {
        const auto x = numbers(ctx, n, dim), y = numbers(ctx, n, dim, 2);
        std::vector<std::int32_t> rows(static_cast<std::size_t>(n));
        for (index_t i = 0; i < n; ++i)
          rows[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i * 7919 % n);
        const auto from = ctx.take<std::int32_t>(n);
        cuda::upload(ctx, rows.data(), from);
        measure(state, ctx, {.bytes = 2 * bytes_of(y)},
                [&] { cuda::gather_rows(ctx, given(x), view<const std::int32_t, 1>(from), y); });
      }));
  add("rms_norm", shape([](benchmark::State& state, context_type& ctx, index_t n, index_t dim) {
        const auto x = numbers(ctx, n, dim), y = numbers(ctx, n, dim, 2), w = numbers(ctx, 1, dim);
        const auto r = ctx.take<float>(n);
        measure(state, ctx, {.bytes = 2 * bytes_of(y)}, [&] {
          cuda::rms_norm(ctx, given(x), given(w)[0], 1e-5, norm_rounding::none, y, r);
        });
      }));
  add("gated_unit", shape([](benchmark::State& state, context_type& ctx, index_t n, index_t dim) {
        const auto x = numbers(ctx, n, 2 * dim), y = numbers(ctx, n, dim, 2);
        measure(state, ctx, {.bytes = 3 * bytes_of(y)},
                [&] { cuda::gated_unit(ctx, glu::swiglu(), given(x), y); });
      }));
  add("wire_pack/int8",
      shape([](benchmark::State& state, context_type& ctx, index_t n, index_t dim) {
        const wire_format f{.code = wire_code::int8};
        const auto x = numbers(ctx, n, dim);
        const auto bytes = ctx.take<std::byte>(n, f.bytes(dim));
        measure(state, ctx, {.bytes = bytes_of(x) + static_cast<double>(bytes.size())}, [&] {
          cuda::wire_pack(ctx, f, given(x), view<float, 2>(), random_stream(1), 0, bytes);
        });
      }));
  add("adamw", shape([](benchmark::State& state, context_type& ctx, index_t n, index_t dim) {
        const auto p = numbers(ctx, n, dim), g = numbers(ctx, n, dim, 2),
                   m = numbers(ctx, n, dim, 3), v = numbers(ctx, n, dim, 4);
        cuda::fill(ctx, v.flat(), 1);
        const optimizer_tensor<float> one[] = {{.value = p.data,
                                                .gradient = g.data,
                                                .state = {m.data, v.data},
                                                .size = p.size(),
                                                .rate = 1e-6}};
        const adamw_numbers numbers_of{.beta1 = 0.9,
                                       .beta2 = 0.99,
                                       .eps = 1e-8,
                                       .correction1 = 1,
                                       .correction2 = 1,
                                       .gradient_scale = 1};
        measure(state, ctx, {.bytes = 7 * bytes_of(p)}, [&] {
          cuda::adamw(ctx, std::span<const optimizer_tensor<float>>(one), numbers_of);
        });
      }));
}

void add_routing() {
  add("route and sort", [](benchmark::State& state, context_type& ctx) {
    const index_t n = size_of(16384, 50), experts = 128, k = 4;
    const auto logits = numbers(ctx, n, experts), weight = numbers(ctx, n, k);
    const auto index = ctx.take<std::int32_t>(n, k), slots = ctx.take<std::int32_t>(n, k);
    const auto order = ctx.take<std::int32_t>(n * k);
    std::vector<index_t> ends(static_cast<std::size_t>(experts));
    const softmax_gate gate;
    measure(state, ctx, {.bytes = bytes_of(logits)}, [&] {
      cuda::route(ctx, gate, given(logits), view<const float, 1>(), index, weight);
      cuda::sort_by_expert(ctx, view<const std::int32_t, 2>(index), std::span(ends), order, slots);
    });
  });
}

void add_attention() {
  for (const index_t window : {index_t{0}, index_t{1024}})
    for (const bool backward : {false, true}) {
      const std::string name = std::string("attention/") + (window ? "window" : "full") +
                               (backward ? "/backward" : "/forward");
      add(name, [window, backward](benchmark::State& state, context_type& ctx) {
        const index_t n = size_of(16384, 70);
        const attention_extents e{.heads = 16,
                                  .kv_heads = 4,
                                  .head_dim = 64,
                                  .window = smoke && window ? 20 : window,
                                  .scale = 0.125};
        const auto q = numbers(ctx, n, e.heads * 64), k = numbers(ctx, n, e.kv_heads * 64, 2),
                   v = numbers(ctx, n, e.kv_heads * 64, 3), y = numbers(ctx, n, e.heads * 64),
                   lse = numbers(ctx, n, e.heads), dy = numbers(ctx, n, e.heads * 64, 4),
                   dq = numbers(ctx, n, e.heads * 64), dk = numbers(ctx, n, e.kv_heads * 64),
                   dv = numbers(ctx, n, e.kv_heads * 64);
        double pairs = 0;
        for (index_t i = 0; i < n; ++i)
          pairs += static_cast<double>(e.window > 0 ? std::min(i + 1, e.window) : i + 1);
        const double flop = 4 * pairs * static_cast<double>(e.heads * 64) * (backward ? 2.0 : 1.0);
        const key_values<float> kv{given(k), given(v), 0};
        const view<const float, 1> none;
        const sequence_layout all(n);
        cuda::attention(ctx, e, given(q), kv, none, all, y, lse);
        measure(state, ctx, {.flop = flop}, [&] {
          if (backward)
            cuda::attention_backward(ctx, e, given(q), kv, none, all, given(y), given(lse),
                                     given(dy), dq, dk, dv, view<float, 1>(), accumulate::no);
          else
            cuda::attention(ctx, e, given(q), kv, none, all, y, lse);
        });
      });
    }
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<char*> arguments;
  char json_format[] = "--benchmark_format=json";
  for (int i = 0; i < argc; ++i)
    if (std::strcmp(argv[i], "--smoke") == 0)
      smoke = true;
    else
      arguments.push_back(std::strcmp(argv[i], "--json") == 0 ? json_format : argv[i]);
  char short_runs[] = "--benchmark_min_time=0.001";
  if (smoke) arguments.push_back(short_runs);
  try {
    add_products();
    add_rows();
    add_routing();
    add_attention();
    int count = static_cast<int>(arguments.size());
    benchmark::Initialize(&count, arguments.data());
    if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_cuda: %s\n", e.what());
    return 1;
  }
}
