// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Dense products through cuBLASLt, for a context that asks for them.
#pragma once

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include <dsr1/cuda/device.cuh>

namespace dsr1 {

/// Throws `error` naming the function and cuBLASLt's number for what went wrong.
inline void check(cublasStatus_t status, std::string_view function, where at = where::current()) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw error(text(function, " failed: cuBLAS status ", static_cast<int>(status)), at);
}

struct cublas_options {
  bool tf32 = false;  ///< float products of numbers rounded to 11 bits, on the tensor cores
  bool bf16 = false;  ///< of numbers rounded to bfloat16
};

/// Takes matrices of which one stride is 1 and the other, like the pointer, a multiple of 16 bytes.
/// The algorithm is chosen once for (n, k, strides, type), by the heuristic for `typical_rows`, and
/// then used for every number of rows; sums over k are never split over blocks. So a row should not
/// depend on the other rows of a call. But NVIDIA promises that only for calls of one shape, and
/// what an algorithm cannot take goes to dsr1's kernels: hence it is no context's default.
class cublas_products final : public product_library {
 public:
  static constexpr index_t typical_rows = 1024;
  static constexpr std::uint64_t most_scratch = std::uint64_t{32} << 20;

  explicit cublas_products(const cublas_options& options = {}) : options_(options) {
    expects(!options.tf32 || !options.bf16, "cublas_options: tf32 and bf16, expected one of them");
    check(cublasLtCreate(&handle_), "cublasLtCreate");
  }
  ~cublas_products() override { cublasLtDestroy(handle_); }
  cublas_products(const cublas_products&) = delete;
  cublas_products& operator=(const cublas_products&) = delete;

  bool multiply(matrix<const float> a, matrix<const float> b, view<float, 2> c, bool add,
                workspace& scratch, cudaStream_t stream) override {
    return run(a, b, c, add, scratch, stream);
  }
  bool multiply(matrix<const double> a, matrix<const double> b, view<double, 2> c, bool add,
                workspace& scratch, cudaStream_t stream) override {
    return run(a, b, c, add, scratch, stream);
  }

 private:
  // What is created and has to be destroyed.
  template <class Handle, cublasStatus_t (*Destroy)(Handle)>
  struct owned {
    Handle handle = nullptr;
    owned() = default;
    ~owned() {
      if (handle) Destroy(handle);
    }
    owned(const owned&) = delete;
    owned& operator=(const owned&) = delete;
  };
  using description = owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
  using layout = owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
  using preference = owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

  // A row-major matrix is a column-major one transposed, so c^T = b^T a^T is what is asked for.
  struct operand {
    bool transposed;
    index_t rows, columns, stride;  // as it lies, column-major
  };
  struct choice {
    bool found = false;
    cublasLtMatmulAlgo_t algorithm = {};
    std::size_t scratch = 0;
  };
  using key = std::array<index_t, 7>;

  /// m^T; false in `fits` when it is no matrix of BLAS.
  template <class T>
  static operand operand_of(const matrix<const T>& m, bool& fits) {
    constexpr index_t unit = 16 / sizeof(T);
    const bool by_rows = m.column_stride == 1;
    const operand o = by_rows ? operand{false, m.columns, m.rows, m.row_stride}
                              : operand{true, m.rows, m.columns, m.column_stride};
    fits = fits && (by_rows || m.row_stride == 1) && o.stride >= o.rows && o.stride % unit == 0 &&
           reinterpret_cast<std::uintptr_t>(m.data) % 16 == 0;
    return o;
  }

  template <class T>
  static void describe(layout& to, const operand& o) {
    check(cublasLtMatrixLayoutCreate(&to.handle, type_of<T>, static_cast<std::uint64_t>(o.rows),
                                     static_cast<std::uint64_t>(o.columns), o.stride),
          "cublasLtMatrixLayoutCreate");
  }
  template <class Handle, class Attribute, class Value>
  static void set(cublasStatus_t (*setter)(Handle, Attribute, const void*, std::size_t),
                  Handle handle, Attribute attribute, Value value) {
    check(setter(handle, attribute, &value, sizeof(value)), "a cublasLt attribute");
  }

  template <class T>
  bool run(const matrix<const T>& a, const matrix<const T>& b, const view<T, 2>& c, bool add,
           workspace& scratch, cudaStream_t stream) {
    bool fits = true;
    const operand left = operand_of(b, fits), right = operand_of(a, fits);
    const operand out = operand_of(matrix<const T>(c), fits);
    if (!fits) return false;

    description product;
    const cublasComputeType_t compute = std::is_same_v<T, double> ? CUBLAS_COMPUTE_64F
                                        : options_.tf32           ? CUBLAS_COMPUTE_32F_FAST_TF32
                                        : options_.bf16           ? CUBLAS_COMPUTE_32F_FAST_16BF
                                                                  : CUBLAS_COMPUTE_32F;
    check(cublasLtMatmulDescCreate(&product.handle, compute, type_of<T>),
          "cublasLtMatmulDescCreate");
    set(cublasLtMatmulDescSetAttribute, product.handle, CUBLASLT_MATMUL_DESC_TRANSA,
        left.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(cublasLtMatmulDescSetAttribute, product.handle, CUBLASLT_MATMUL_DESC_TRANSB,
        right.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    layout b_layout, a_layout, c_layout;
    describe<T>(b_layout, left);
    describe<T>(a_layout, right);
    describe<T>(c_layout, out);

    // The distance between the rows of a is no part of it: a single row has none to speak of.
    const key which = {c.columns(),
                       a.columns,
                       left.transposed,
                       right.transposed,
                       left.stride,
                       out.stride,
                       static_cast<index_t>(sizeof(T))};
    const auto known = choices_.find(which);
    const choice& chosen =
        known != choices_.end()
            ? known->second
            : choices_.emplace(which, choose<T>(product, b_layout, left, right, out)).first->second;
    if (!chosen.found) return false;
    const workspace::scope scope(scratch);
    const auto bytes = scratch.template take<std::byte>(static_cast<index_t>(chosen.scratch));
    const T one = 1, before = add ? 1 : 0;
    const cublasStatus_t status =
        cublasLtMatmul(handle_, product.handle, &one, b.data, b_layout.handle, a.data,
                       a_layout.handle, &before, c.data, c_layout.handle, c.data, c_layout.handle,
                       &chosen.algorithm, bytes.data, chosen.scratch, stream);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE)
      return false;
    check(status, "cublasLtMatmul");
    return true;
  }

  template <class T>
  choice choose(const description& product, const layout& b_layout, const operand& left,
                operand right, operand out) {
    static_cast<void>(left);
    (right.transposed ? right.rows : right.columns) = typical_rows;
    out.columns = typical_rows;
    right.stride = std::max(right.stride, round_up(right.rows, 16));
    layout a_layout, c_layout;
    describe<T>(a_layout, right);
    describe<T>(c_layout, out);
    preference wish;
    check(cublasLtMatmulPreferenceCreate(&wish.handle), "cublasLtMatmulPreferenceCreate");
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      set(cublasLtMatmulPreferenceSetAttribute, wish.handle, attribute, value);
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most_scratch);
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
           static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE));
    for (const auto alignment :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(alignment, std::uint32_t{16});
    cublasLtMatmulHeuristicResult_t result = {};
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        handle_, product.handle, b_layout.handle, a_layout.handle, c_layout.handle, c_layout.handle,
        wish.handle, 1, &result, &count);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && count == 0))
      return {};
    check(status, "cublasLtMatmulAlgoGetHeuristic");
    return {result.state == CUBLAS_STATUS_SUCCESS, result.algo, result.workspaceSize};
  }

  template <class T>
  static constexpr cudaDataType_t type_of = std::is_same_v<T, double> ? CUDA_R_64F : CUDA_R_32F;

  cublas_options options_;
  cublasLtHandle_t handle_ = nullptr;
  std::map<key, choice> choices_;
};

/// Dense products of the context go through cuBLASLt from now on; the program links cublasLt. They
/// are products of bfloat16 where the context's are, unless tf32 is asked for.
template <class Ctx>
void use_cublas(Ctx& ctx, cublas_options options = {}) {
  if (ctx.device().rounds_products() && !options.tf32) options.bf16 = true;
  ctx.device().products(std::make_unique<cublas_products>(options));
}

}  // namespace dsr1
