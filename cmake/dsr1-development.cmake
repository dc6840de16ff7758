# Settings of our own programs (tests, examples, benchmarks); consumers never see them.

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
  endif()
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  find_program(ccache ccache)
  if(ccache AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # Paths count from the project's folder: a second checkout finds what the first compiled.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
        CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
        CCACHE_SLOPPINESS=pch_defines,time_macros ${ccache})  # without, nothing with precompiled headers is kept
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
endif()

option(DSR1_WERROR "Treat warnings in our own programs as errors" OFF)
set(DSR1_SANITIZE "" CACHE STRING "Sanitizers for our own programs: address,undefined or thread")

# What every program of ours is compiled with: plain -O2, as a consumer would. Tests of layers, which
# are many, take -O1 (the property DSR1_LIGHT of a target).
add_library(dsr1_development INTERFACE)
target_link_libraries(dsr1_development INTERFACE dsr1::core)
set(warnings -Wall -Wextra -Wpedantic -Wshadow -Wno-unknown-pragmas)
target_compile_options(dsr1_development INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:$<$<CONFIG:Release>:$<IF:$<BOOL:$<TARGET_PROPERTY:DSR1_LIGHT>>,-O1,-O2>>;${warnings};$<$<BOOL:${DSR1_WERROR}>:-Werror>>")

# For programs whose kernels run on the host, where a runtime of our own plays the device: the same
# files, compiled as C++.
add_library(dsr1_host_cuda INTERFACE)
target_include_directories(dsr1_host_cuda BEFORE INTERFACE ${PROJECT_SOURCE_DIR}/tests/host_cuda)
target_link_libraries(dsr1_host_cuda INTERFACE dsr1_development)

# For a device. dsr1_as_cuda(result files...): C++ files of this folder as files of CUDA.
if(dsr1_cuda_programs)
  function(dsr1_as_cuda result)
    set(sources)
    foreach(file IN LISTS ARGN)
      get_filename_component(name ${file} NAME_WE)
      set(source ${CMAKE_CURRENT_BINARY_DIR}/as_cuda/${name}.cu)
      file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${CMAKE_CURRENT_SOURCE_DIR}/${file}\"\n")
      list(APPEND sources ${source})
    endforeach()
    set(${result} ${sources} PARENT_SCOPE)
  endfunction()
  add_library(dsr1_development_cuda INTERFACE)
  target_link_libraries(dsr1_development_cuda INTERFACE dsr1_development dsr1::cuda)
  target_compile_options(dsr1_development_cuda INTERFACE
    "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;--expt-relaxed-constexpr;-diag-suppress=1675;-Xcompiler=-Wall,-Wextra>")
endif()
if(DSR1_SANITIZE)
  # Unoptimised, all compiles in half the time under AddressSanitizer; threads need the speed, and so
  # do the kernels that are compiled once.
  if(DSR1_SANITIZE MATCHES "address")
    set(level $<IF:$<BOOL:$<TARGET_PROPERTY:DSR1_KERNELS>>,-O1,-O0>)
  else()
    set(level -O1)
  endif()
  target_compile_options(dsr1_development INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${DSR1_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all;${level}>")
  target_link_options(dsr1_development INTERFACE -fsanitize=${DSR1_SANITIZE})
endif()

# The CPU backend compiled once, for our programs of many files and for the tests.
add_library(dsr1_compiled_once STATIC EXCLUDE_FROM_ALL
            ${PROJECT_SOURCE_DIR}/examples/compiled_once/cpu_float.cpp
            ${PROJECT_SOURCE_DIR}/examples/compiled_once/cpu_double.cpp)
target_link_libraries(dsr1_compiled_once PUBLIC dsr1_development)
target_compile_definitions(dsr1_compiled_once PUBLIC DSR1_CPU_COMPILED_ONCE)
set_target_properties(dsr1_compiled_once PROPERTIES DSR1_KERNELS ON)

# `programs`: all examples, tools and benchmarks (what `make build` makes), without the tests.
add_custom_target(programs)
function(dsr1_program name)
  add_dependencies(programs ${name})
endfunction()
