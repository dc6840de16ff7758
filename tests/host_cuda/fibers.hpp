// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Stacks to switch between on one thread of the host; AddressSanitizer is told of every switch.
#pragma once

#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <memory>
#include <stdexcept>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace host_cuda {

#if defined(__x86_64__)
// Keeps the registers that a call must keep, and changes the stack: some 20 times faster than
// swapcontext, which asks the kernel for the signal mask.
asm(R"(
  .text
  .weak host_cuda_switch
  .type host_cuda_switch, @function
host_cuda_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size host_cuda_switch, . - host_cuda_switch
)");
extern "C" void host_cuda_switch(void** from, void* to);
#endif

/// A stack of its own on which `run` is called again and again; `pause` goes back to the caller.
class fiber {
 public:
  static constexpr std::size_t stack_bytes = std::size_t{256} << 10;

  explicit fiber(void (*body)(void*)) : body_(body) {
    stack_ = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack_ == MAP_FAILED) throw std::bad_alloc();
    prepare();
  }
  ~fiber() { munmap(stack_, stack_bytes); }
  fiber(const fiber&) = delete;
  fiber& operator=(const fiber&) = delete;

  /// Goes on where it paused, or begins body(argument) when it had ended.
  void resume(void* argument) {
    argument_ = argument;
    active() = this;
    started(&outer_fake_, stack_, stack_bytes);
    jump(outer_, inner_);
    finished(outer_fake_);
  }
  /// Called on the fiber.
  static void pause() {
    fiber& f = *active();
    started(&f.inner_fake_, f.outer_stack_, f.outer_bytes_);
    jump(f.inner_, f.outer_);
    finished(f.inner_fake_, &f.outer_stack_, &f.outer_bytes_);
  }
  /// Forgets what ran on it; objects on its stack are not destroyed.
  void abandon() {
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(stack_, stack_bytes);
#endif
    prepare();
  }

 private:
#if defined(__x86_64__)
  using place = void*;
  static void jump(place& from, place to) { host_cuda_switch(&from, to); }
  void prepare() {
    auto* top = reinterpret_cast<void**>(static_cast<std::byte*>(stack_) + stack_bytes) - 1;
    *top-- = nullptr;  // where entry would return to
    *top = reinterpret_cast<void*>(&fiber::entry);
    inner_ = top - 6;  // the registers that are popped
    for (int i = 0; i < 6; ++i) static_cast<void**>(inner_)[i] = nullptr;
  }
#else
  using place = ucontext_t;
  static void jump(place& from, place& to) { swapcontext(&from, &to); }
  void prepare() {
    getcontext(&inner_);
    inner_.uc_stack = {.ss_sp = stack_, .ss_flags = 0, .ss_size = stack_bytes};
    makecontext(&inner_, &fiber::entry, 0);
  }
#endif

  static fiber*& active() {
    static thread_local fiber* one = nullptr;
    return one;
  }
  static void entry() {
    fiber& f = *active();
    finished(nullptr, &f.outer_stack_, &f.outer_bytes_);
    for (;;) {
      f.body_(f.argument_);
      pause();
    }
  }
  static void started([[maybe_unused]] void** fake, [[maybe_unused]] const void* stack,
                      [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(fake, stack, bytes);
#endif
  }
  static void finished([[maybe_unused]] void* fake, [[maybe_unused]] const void** stack = nullptr,
                       [[maybe_unused]] std::size_t* bytes = nullptr) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake, stack, bytes);
#endif
  }

  void (*body_)(void*);
  void* stack_;
  void* argument_ = nullptr;
  place inner_ = {}, outer_ = {};
  void* inner_fake_ = nullptr;
  void* outer_fake_ = nullptr;
  const void* outer_stack_ = nullptr;
  std::size_t outer_bytes_ = 0;
};

}  // namespace host_cuda
