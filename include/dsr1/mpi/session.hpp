// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The life of a program under MPI: from MPI_Init_thread to an end that all ranks come to.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <type_traits>
#include <utility>

#include <dsr1/comm/rank_group.hpp>
#include <dsr1/mpi/transport.hpp>

namespace dsr1 {

/// Initialises MPI and finalises it, unless the program has already initialised it itself. Throws
/// `error` when MPI does not give MPI_THREAD_MULTIPLE, which operations with handles need. When an
/// exception or `std::exit` ends it, all ranks end (MPI_Abort), as the others would wait for this
/// one, or, under MPICH, end without a word and with status 0.
class mpi_session {
 public:
  mpi_session() : mpi_session(nullptr, nullptr) {}
  mpi_session(int* argc, char*** argv) {
    int initialized = 0, level = MPI_THREAD_SINGLE;
    check(MPI_Initialized(&initialized), "MPI_Initialized");
    if (initialized) {
      check(MPI_Query_thread(&level), "MPI_Query_thread");
    } else {
      check(MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &level), "MPI_Init_thread");
      ours_ = true;
      running() = true;
      static const int registered = std::atexit(at_exit);
      static_cast<void>(registered);
    }
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    if (level < MPI_THREAD_MULTIPLE) {
      finalize();
      throw error(text("MPI was initialised with ", name_of(level),
                       ", expected MPI_THREAD_MULTIPLE: operations with handles run on a thread of "
                       "their own"));
    }
  }
  ~mpi_session() {
    if (std::uncaught_exceptions() > exceptions_) end_all();
    try {
      end();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "at the end of MPI: %s\n", e.what());
      end_all();
    }
    finalize();
  }
  mpi_session(const mpi_session&) = delete;
  mpi_session& operator=(const mpi_session&) = delete;

  /// All ranks of the job, with a communicator of its own; all ranks call it.
  rank_group world(const link_options& options = {}) {
    auto link = std::make_unique<mpi_transport>(MPI_COMM_WORLD, options);
    world_ = link->channel();
    patience_ = options.patience;
    return rank_group(std::move(link));
  }

  /// Waits until all ranks have left the groups that this one has left. Throws `error` when one
  /// ends with an error instead, and when the patience of the world is over.
  void end() {
    if (world_) mpi_left_channels::of_this_process().wait(*world_, patience_);
    world_.reset();
  }

  /// Tells the other ranks why this one ends, gives them a second to say what they were at, and
  /// ends all. It does not return. A mere consequence of another rank's error is not told.
  [[noreturn]] void abort(const std::string& why, bool consequence = false) {
    try {
      if (world_) {
        if (!consequence) world_->fail(why);
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
        while (std::chrono::steady_clock::now() < until) {
          static_cast<void>(world_->failure());  // lets MPI send
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      }
    } catch (const std::exception&) {
      // The others hear of it from MPI_Abort.
    }
    end_all();
  }

 private:
  static bool& running() {
    static bool is = false;
    return is;
  }
  static void at_exit() {
    if (!running()) return;
    int rank = 0, size = 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    std::fprintf(stderr, "rank %d of %d: exit was called before the end of MPI\n", rank, size);
    end_all();
  }
  [[noreturn]] static void end_all() {
    running() = false;
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::_Exit(1);
  }
  void finalize() {
    if (!ours_) return;
    running() = false;
    MPI_Finalize();
  }
  static const char* name_of(int level) {
    return level == MPI_THREAD_SINGLE       ? "MPI_THREAD_SINGLE"
           : level == MPI_THREAD_FUNNELED   ? "MPI_THREAD_FUNNELED"
           : level == MPI_THREAD_SERIALIZED ? "MPI_THREAD_SERIALIZED"
                                            : "an unknown thread level";
  }

  bool ours_ = false;
  std::shared_ptr<mpi_channel> world_;
  double patience_ = 0;
  int exceptions_ = std::uncaught_exceptions();
};

/// The `main` of a program under MPI: runs f(rank_group&) on every rank and returns its int, or 0.
/// When it throws on one, that rank prints "rank 2 of 4: what" and all ranks end.
///     int main(int argc, char** argv) { return dsr1::mpi_main(argc, argv, run); }
template <class F>
int mpi_main(int& argc, char**& argv, F&& f, const link_options& options = {}) {
  mpi_session session(&argc, &argv);
  int rank = 0, size = 1;
  const auto fail = [&](const char* what, bool consequence = false) {
    std::fflush(stdout);
    std::fprintf(stderr, "rank %d of %d: %s\n", rank, size, what);
    std::fflush(stderr);
    session.abort(text("rank ", rank, " ended with an error: ", what), consequence);
  };
  int status = 0;
  try {
    {
      rank_group world = session.world(options);
      rank = world.rank();
      size = world.size();
      try {
        if constexpr (std::is_void_v<std::invoke_result_t<F&, rank_group&>>)
          f(world);
        else
          status = f(world);
      } catch (const given_up& e) {
        fail(e.what(), true);
      } catch (const std::exception& e) {
        fail(e.what());  // while the group is alive, so that nobody takes this for leaving it
      } catch (...) {
        fail("an exception of an unknown type");
      }
    }
    session.end();
  } catch (const given_up& e) {
    fail(e.what(), true);
  } catch (const std::exception& e) {
    fail(e.what());
  }
  return status;
}

}  // namespace dsr1
