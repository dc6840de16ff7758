// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The part of cuBLASLt that dsr1 uses, on the host: column-major products by plain loops.
#pragma once

#include <cstdint>

#include "cuda_runtime_api.h"

enum cudaDataType_t { CUDA_R_32F = 0, CUDA_R_64F = 1 };
enum cublasStatus_t {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_NOT_SUPPORTED = 15
};
enum cublasComputeType_t {
  CUBLAS_COMPUTE_32F = 68,
  CUBLAS_COMPUTE_64F = 70,
  CUBLAS_COMPUTE_32F_FAST_16BF = 75,
  CUBLAS_COMPUTE_32F_FAST_TF32 = 77
};
enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum cublasLtMatmulDescAttributes_t {
  CUBLASLT_MATMUL_DESC_TRANSA = 3,
  CUBLASLT_MATMUL_DESC_TRANSB = 4
};
enum cublasLtReductionScheme_t { CUBLASLT_REDUCTION_SCHEME_NONE = 0 };
enum cublasLtMatmulPreferenceAttributes_t {
  CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,
  CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK = 3,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8
};

namespace host_cuda {
struct blas_handle {};
struct blas_product {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  std::int32_t transposed[2] = {CUBLAS_OP_N, CUBLAS_OP_N};
};
struct blas_layout {
  cudaDataType_t type;
  std::uint64_t rows, columns;
  std::int64_t stride;
};
struct blas_preference {
  std::uint64_t workspace = 0;
  std::uint32_t reductions = 0xffffffffu, alignment[4] = {256, 256, 256, 256};
};
/// What a test may see and change.
struct blas_facts {
  long long searches = 0, products = 0;
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;  ///< of the last product
  cublasStatus_t next = CUBLAS_STATUS_SUCCESS;       ///< what the next product returns, once
  bool finds = true;                                 ///< whether the heuristic knows an algorithm
};
inline blas_facts& blas() {
  static blas_facts one;
  return one;
}
}  // namespace host_cuda

using cublasLtHandle_t = host_cuda::blas_handle*;
using cublasLtMatmulDesc_t = host_cuda::blas_product*;
using cublasLtMatrixLayout_t = host_cuda::blas_layout*;
using cublasLtMatmulPreference_t = host_cuda::blas_preference*;
struct cublasLtMatmulAlgo_t {
  std::uint64_t data[8];
};
struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  std::size_t workspaceSize;
  cublasStatus_t state;
};

inline cublasStatus_t cublasLtCreate(cublasLtHandle_t* h) {
  *h = new host_cuda::blas_handle;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtDestroy(cublasLtHandle_t h) {
  delete h;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* d, cublasComputeType_t compute,
                                               cudaDataType_t scale) {
  *d = new host_cuda::blas_product{compute, scale};
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
  delete d;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d,
                                                     cublasLtMatmulDescAttributes_t attribute,
                                                     const void* value, std::size_t bytes) {
  if (bytes != sizeof(std::int32_t)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&d->transposed[attribute - CUBLASLT_MATMUL_DESC_TRANSA], value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* l, cudaDataType_t type,
                                                 std::uint64_t rows, std::uint64_t columns,
                                                 std::int64_t stride) {
  *l = new host_cuda::blas_layout{type, rows, columns, stride};
  return stride >= static_cast<std::int64_t>(rows) ? CUBLAS_STATUS_SUCCESS
                                                   : CUBLAS_STATUS_INVALID_VALUE;
}
inline cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
  delete l;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* p) {
  *p = new host_cuda::blas_preference;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
  delete p;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
    std::size_t bytes) {
  void* to = &p->reductions;
  std::size_t expected = sizeof(std::uint32_t);
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) {
    to = &p->workspace;
    expected = sizeof(std::uint64_t);
  } else if (attribute >= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES) {
    to = &p->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES];
  }
  if (bytes != expected) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

namespace host_cuda {
/// The extents of op(a) op(b) fit, and those of c.
inline bool blas_fits(const blas_product& p, const blas_layout& a, const blas_layout& b,
                      const blas_layout& c) {
  const bool ta = p.transposed[0] == CUBLAS_OP_T, tb = p.transposed[1] == CUBLAS_OP_T;
  return (ta ? a.columns : a.rows) == c.rows && (tb ? b.rows : b.columns) == c.columns &&
         (ta ? a.rows : a.columns) == (tb ? b.columns : b.rows) && a.type == b.type &&
         b.type == c.type && p.scale == c.type &&
         (p.compute == CUBLAS_COMPUTE_64F) == (c.type == CUDA_R_64F);
}
inline constexpr std::size_t blas_scratch = 512;

template <class T>
void blas_run(const blas_product& p, T alpha, const T* a, const blas_layout& al, const T* b,
              const blas_layout& bl, T beta, T* c, const blas_layout& cl) {
  const bool ta = p.transposed[0] == CUBLAS_OP_T, tb = p.transposed[1] == CUBLAS_OP_T;
  const auto k = static_cast<std::int64_t>(ta ? al.rows : al.columns);
  for (std::int64_t j = 0; j < static_cast<std::int64_t>(cl.columns); ++j)
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(cl.rows); ++i) {
      T sum = 0;
      for (std::int64_t l = 0; l < k; ++l)
        sum += a[ta ? l + i * al.stride : i + l * al.stride] *
               b[tb ? j + l * bl.stride : l + j * bl.stride];
      T& to = c[i + j * cl.stride];
      to = alpha * sum + (beta == 0 ? T(0) : beta * to);
    }
}
}  // namespace host_cuda

inline cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t, cublasLtMatmulDesc_t p, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t wish, int,
    cublasLtMatmulHeuristicResult_t* results, int* count) {
  auto& facts = host_cuda::blas();
  ++facts.searches;
  *count = 0;
  if (!host_cuda::blas_fits(*p, *a, *b, *c)) return CUBLAS_STATUS_INVALID_VALUE;
  if (wish->reductions != CUBLASLT_REDUCTION_SCHEME_NONE ||
      wish->workspace < host_cuda::blas_scratch || wish->alignment[0] != 16 ||
      wish->alignment[3] != 16 || !facts.finds)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  *count = 1;
  results[0] = {{{17}}, host_cuda::blas_scratch, CUBLAS_STATUS_SUCCESS};
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t p, const void* alpha,
                                     const void* a, cublasLtMatrixLayout_t al, const void* b,
                                     cublasLtMatrixLayout_t bl, const void* beta, const void* c,
                                     cublasLtMatrixLayout_t cl, void* d, cublasLtMatrixLayout_t,
                                     const cublasLtMatmulAlgo_t* algo, void* scratch,
                                     std::size_t bytes, cudaStream_t) {
  auto& facts = host_cuda::blas();
  if (facts.next != CUBLAS_STATUS_SUCCESS) return std::exchange(facts.next, CUBLAS_STATUS_SUCCESS);
  const auto& memory = host_cuda::device_memory::instance();
  if (!host_cuda::blas_fits(*p, *al, *bl, *cl) || c != d || algo->data[0] != 17 ||
      bytes < host_cuda::blas_scratch || !memory.holds(scratch) || !memory.holds(a) ||
      !memory.holds(b) || !memory.holds(d))
    return CUBLAS_STATUS_EXECUTION_FAILED;
  ++facts.products;
  facts.compute = p->compute;
  const host_cuda::device_memory::opened open;
  if (cl->type == CUDA_R_64F)
    host_cuda::blas_run(*p, *static_cast<const double*>(alpha), static_cast<const double*>(a), *al,
                        static_cast<const double*>(b), *bl, *static_cast<const double*>(beta),
                        static_cast<double*>(d), *cl);
  else
    host_cuda::blas_run(*p, *static_cast<const float*>(alpha), static_cast<const float*>(a), *al,
                        static_cast<const float*>(b), *bl, *static_cast<const float*>(beta),
                        static_cast<float*>(d), *cl);
  return CUBLAS_STATUS_SUCCESS;
}
