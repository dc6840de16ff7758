// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The kernels of routing: a thread of a gate for each token, and counts of what they chose.
#pragma once

#include <cmath>
#include <limits>

#include <dsr1/cuda/counting_sort.cuh>
#include <dsr1/cuda/token_room.cuh>

namespace dsr1::cuda_kernels {

inline constexpr std::uint32_t none_wrong = 0xffffffffu;

template <class T>
__device__ std::span<T> token_span(const view<T, 2>& v, index_t t) {
  return {v.row(t), static_cast<std::size_t>(v.columns())};
}
template <class T>
__device__ std::span<T> token_span(const view<T, 1>& v) {
  return {v.data, static_cast<std::size_t>(v.rows())};
}

/// A gate sees finite logits only, as on the host: it may rely on them to stay in its arrays.
template <class Gate, class T>
__global__ void route(Gate gate, token_room<T> room, view<const T, 2> logits, view<const T, 1> bias,
                      view<std::int32_t, 2> index, view<T, 2> weight, index_t first_token,
                      std::uint32_t* wrong) {
  __shared__ T shared[token_room<T>::shared_elements];
  room.load(shared, 0, logits);
  __syncwarp();
  const index_t t = room.token();
  if (t < 0) return;
  const std::span<const T> own = room.own(shared, 0);
  bool finite = true;
  for (const T v : own) finite = finite && std::isfinite(v);
  if (finite)
    gate.route(own, token_span(bias), token_span(index, t), token_span(weight, t),
               room.own(shared, 1, 2));
  else
    atomicMin(wrong, static_cast<std::uint32_t>(first_token + t));
}

template <class Gate, class T>
__global__ void route_backward(Gate gate, token_room<T> room, view<const T, 2> logits,
                               view<const T, 1> bias, view<const std::int32_t, 2> index,
                               view<const T, 2> weight, view<const T, 2> dweight,
                               view<T, 2> dlogits) {
  __shared__ T shared[token_room<T>::shared_elements];
  room.load(shared, 0, logits);
  __syncwarp();
  if (const index_t t = room.token(); t >= 0)
    gate.route_backward(std::span<const T>(room.own(shared, 0)), token_span(bias),
                        token_span(index, t), token_span(weight, t), token_span(dweight, t),
                        room.own(shared, 1), room.own(shared, 2, 2));
  __syncwarp();
  room.store(shared, 1, dlogits);
}

template <class Gate, class T>
__global__ void affinities(Gate gate, token_room<T> room, view<const T, 2> logits, view<T, 2> p) {
  __shared__ T shared[token_room<T>::shared_elements];
  room.load(shared, 0, logits);
  __syncwarp();
  if (room.token() >= 0)
    gate.affinities(std::span<const T>(room.own(shared, 0)), room.own(shared, 1));
  __syncwarp();
  room.store(shared, 1, p);
}

/// The group of row t, where ends[g] is the end of group g.
__device__ inline index_t group_of_token(view<const index_t, 1> ends, index_t t) {
  index_t low = 0, high = ends.rows() - 1;
  while (low < high) {
    const index_t middle = (low + high) / 2;
    if (t < ends[middle])
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

template <class T>
__global__ void scaled_gradients(view<const T, 2> x, T a, view<T, 2> y) {
  const index_t i = thread_number();
  if (i < x.size()) y(i / x.columns(), i % x.columns()) = a * x(i / x.columns(), i % x.columns());
}

template <class Gate, class T>
__global__ void affinities_backward(Gate gate, token_room<T> room, view<const T, 2> logits,
                                    view<const T, 2> p, view<const T, 2> dp,
                                    view<const index_t, 1> ends, index_t first_token,
                                    view<T, 2> dlogits) {
  __shared__ T shared[token_room<T>::shared_elements];
  room.load(shared, 0, logits);
  room.load(shared, 1, p);
  room.load(shared, 2, dlogits);
  __syncwarp();
  if (const index_t t = room.token(); t >= 0)
    gate.affinities_backward(std::span<const T>(room.own(shared, 0)),
                             std::span<const T>(room.own(shared, 1)),
                             token_span(dp, group_of_token(ends, first_token + t)),
                             room.own(shared, 2), room.own(shared, 3, 2));
  __syncwarp();
  room.store(shared, 2, dlogits);
}

/// One warp a token.
template <class T>
__global__ void log_sum_exp(view<const T, 2> logits, view<T, 1> lse) {
  const index_t t = thread_number() / warp_size;
  if (t >= logits.rows()) return;  // all lanes of the warp
  T top = -std::numeric_limits<T>::infinity(), sum = 0;
  for (index_t e = lane_number(); e < logits.columns(); e += warp_size)
    top = larger()(logits(t, e), top);
  top = warp_reduce(top, larger());
  for (index_t e = lane_number(); e < logits.columns(); e += warp_size)
    sum += std::exp(logits(t, e) - top);
  sum = warp_reduce(sum);
  if (lane_number() == 0) lse[t] = top + std::log(sum);
}

template <class T>
__global__ void log_sum_exp_backward(view<const T, 2> logits, view<const T, 1> lse,
                                     view<const T, 1> dlse, view<T, 2> dlogits) {
  const index_t i = thread_number();
  if (i >= logits.size()) return;
  const index_t t = i / logits.columns(), e = i % logits.columns();
  dlogits(t, e) += dlse[t] * std::exp(logits(t, e) - lse[t]);
}

/// The expert of a choice, -1 for none; reports one that is not there, the first of all.
struct expert_of {
  view<const std::int32_t, 2> index;
  index_t experts;
  std::uint32_t* wrong;

  __device__ index_t operator()(index_t i) const {
    const index_t e = index(i / index.columns(), i % index.columns());
    if (e >= experts) {
      atomicMin(wrong, static_cast<std::uint32_t>(i));
      return -1;
    }
    return e < 0 ? -1 : e;
  }
};

/// The same where nobody says how many experts there are.
struct hashed_expert_of {
  view<const std::int32_t, 2> index;

  __device__ index_t operator()(index_t i) const {
    const index_t e = index(i / index.columns(), i % index.columns());
    return e < 0 ? -1 : e % hashed_keys;
  }
};

/// sums[g, e]: integers, whose sum has no order.
template <class T>
__global__ void count_experts(expert_of expert, view<const index_t, 1> ends, view<T, 2> sums) {
  const index_t i = thread_number();
  if (i >= expert.index.size()) return;
  const index_t e = expert(i);
  if (e >= 0) atomicAdd(&sums(group_of_token(ends, i / expert.index.columns()), e), T(1));
}

template <class T>
__global__ void counted_choices(view<const std::int32_t, 2> sums, view<T, 2> counts, bool add) {
  const index_t i = thread_number();
  if (i >= sums.size()) return;
  T& count = counts(i / sums.columns(), i % sums.columns());
  count = (add ? count : T(0)) + static_cast<T>(sums(i / sums.columns(), i % sums.columns()));
}

/// Expert and weight of every sorted row, beside each other for the comparisons.
template <class T>
__global__ void sorted_choices(sorted_rows sorted, view<const std::int32_t, 2> index,
                               view<const T, 2> weight, view<std::int32_t, 1> expert,
                               view<T, 1> weights) {
  const index_t r = thread_number();
  if (r >= sorted.rows()) return;
  const index_t t = sorted.order[r] / index.columns(), j = sorted.order[r] % index.columns();
  expert[r] = index(t, j);
  weights[r] = weight(t, j);
}

/// A choice is dropped when `capacity` choices of its expert go before it. Counted, not sorted:
/// what is dropped stops counting early, and what is kept is capacity times the experts at most.
template <class T>
__global__ void limit_capacity(sorted_rows sorted, view<const std::int32_t, 1> expert,
                               view<const T, 1> weight, view<const std::int32_t, 2> index,
                               index_t capacity, bool by_weight, view<std::int32_t, 2> kept) {
  const index_t k = index.columns(), r = thread_number();
  if (r < index.size() && index(r / k, r % k) < 0) kept(r / k, r % k) = index(r / k, r % k);
  if (r >= sorted.rows()) return;
  const std::int32_t e = expert[r];
  const T own = weight[r];
  const index_t key = e % hashed_keys, end = by_weight ? sorted.end(key) : r;
  index_t before = 0;
  for (index_t o = sorted.begin(key); o < end && before < capacity; ++o)
    before += expert[o] == e && (by_weight && weight[o] != own ? weight[o] > own : o < r);
  const index_t i = sorted.order[r];
  kept(i / k, i % k) = before < capacity ? e : -1;
}

/// The row of a choice, and its token.
struct place_token {
  view<std::int32_t, 1> order;
  view<std::int32_t, 2> slots;

  __device__ void operator()(index_t i, std::int32_t row) const {
    const index_t t = i / slots.columns();
    if (row >= 0) order[row] = static_cast<std::int32_t>(t);
    slots(t, i % slots.columns()) = row;
  }
};

}  // namespace dsr1::cuda_kernels
