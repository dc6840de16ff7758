// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The one place that includes mpi.h, and the check of what its functions return.
#pragma once

// The old C++ bindings would have to be linked besides, and nothing here uses them.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <string>
#include <string_view>

#include <dsr1/core/error.hpp>

namespace dsr1 {

/// MPI's own words for a return code.
inline std::string mpi_text(int code) {
  char words[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  if (MPI_Error_string(code, words, &length) != MPI_SUCCESS)
    return text("unknown error code ", code);
  return {words, static_cast<std::size_t>(length)};
}

/// Throws `error` naming the function and MPI's text, unless the code is MPI_SUCCESS. It takes
/// effect where the error handler is MPI_ERRORS_RETURN, as in every communicator of ours.
inline void check(int code, std::string_view function, where at = where::current()) {
  if (code != MPI_SUCCESS) throw error(text(function, " failed: ", mpi_text(code)), at);
}

}  // namespace dsr1
