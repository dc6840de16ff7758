# Every header compiles alone, and two translation units that include all of them link together (a
# missing `inline` is a duplicate symbol). Nothing runs.

file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/include/dsr1/*.hpp)
list(FILTER headers EXCLUDE REGEX "^dsr1/cuda/")  # nvcc's, below; nccl/ includes the one of a host compiler
set(optional_headers "")
set(optional_targets "")
foreach(component text mpi nccl)
  if(TARGET dsr1_${component})
    string(APPEND optional_headers "#include <dsr1/${component}.hpp>\n")
    list(APPEND optional_targets dsr1::${component})
  else()
    list(FILTER headers EXCLUDE REGEX "^dsr1/${component}(/|\\.hpp)")
  endif()
endforeach()
set(sources)
foreach(header IN LISTS headers)
  string(MAKE_C_IDENTIFIER ${header} name)
  set(source ${PROJECT_BINARY_DIR}/header_tests/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include <@header@>\n#include <@header@>\n" @ONLY)
  list(APPEND sources ${source})
endforeach()

# Not part of `all`: CI builds it with clang, which is quicker and as strict.
add_library(dsr1_each_header_alone OBJECT EXCLUDE_FROM_ALL ${sources})
target_link_libraries(dsr1_each_header_alone PRIVATE dsr1_development ${optional_targets})
target_compile_options(dsr1_each_header_alone PRIVATE -O0)

foreach(unit a b)
  set(source ${PROJECT_BINARY_DIR}/header_tests/all_${unit}.cpp)
  set(rest "")
  if(unit STREQUAL a)
    set(rest "int main() {}\n")
  endif()
  file(CONFIGURE OUTPUT ${source} CONTENT "#include <dsr1/dsr1.hpp>\n#include <dsr1/testing.hpp>\n@optional_headers@@rest@" @ONLY)
  list(APPEND units ${source})
endforeach()
add_executable(dsr1_all_headers_twice ${units})
target_link_libraries(dsr1_all_headers_twice PRIVATE dsr1_development ${optional_targets})
target_compile_options(dsr1_all_headers_twice PRIVATE -O0)

if(NOT dsr1_cuda_programs)
  return()
endif()
# The same for the headers that need nvcc. Not part of `all`: see the stage CUDA of .ci/run.
file(GLOB cuda_headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/include/dsr1/cuda/*.cuh)
set(sources)
foreach(header IN LISTS cuda_headers)
  string(MAKE_C_IDENTIFIER ${header} name)
  set(source ${PROJECT_BINARY_DIR}/header_tests/${name}.cu)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include <@header@>\n#include <@header@>\n" @ONLY)
  list(APPEND sources ${source})
endforeach()
add_library(dsr1_each_cuda_header_alone OBJECT EXCLUDE_FROM_ALL ${sources})
target_link_libraries(dsr1_each_cuda_header_alone PRIVATE dsr1_development_cuda)

# Two files of kernels and a host-only one that knows nothing of CUDA, linked together.
foreach(unit a b)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/header_tests/cuda_${unit}.cu CONTENT
       "#include <dsr1/cuda.cuh>\nvoid fill_@unit@(dsr1::context<dsr1::cuda>& c, dsr1::view<float, 1> x) { dsr1::cuda::fill(c, x, 1); }\n" @ONLY)
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/header_tests/beside_cuda.cpp CONTENT "#include <dsr1/dsr1.hpp>\nint main() {}\n")
add_executable(dsr1_cuda_headers_twice EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/header_tests/cuda_a.cu
               ${PROJECT_BINARY_DIR}/header_tests/cuda_b.cu ${PROJECT_BINARY_DIR}/header_tests/beside_cuda.cpp)
target_link_libraries(dsr1_cuda_headers_twice PRIVATE dsr1_development_cuda)
