# The component `cuda`: the layers on a GPU. Left out where the CUDA toolkit is missing. A program
# that uses it compiles the files that include <dsr1/cuda.cuh> as CUDA, with C++20 and
# --expt-relaxed-constexpr (kernels call constexpr functions, std::span's among them).

option(DSR1_CUDA "The component cuda, when the CUDA toolkit is found" ON)
if(NOT DSR1_CUDA)
  return()
endif()

find_package(CUDAToolkit 12 QUIET)
if(NOT CUDAToolkit_FOUND OR NOT TARGET CUDA::cublasLt)
  message(STATUS "dsr1::cuda is left out: it needs the CUDA toolkit 12 or newer, with cuBLAS")
  return()
endif()

file(GLOB cuda_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/dsr1/cuda/*.cuh
     ${PROJECT_SOURCE_DIR}/include/dsr1/cuda/*.hpp)
add_library(dsr1_cuda INTERFACE)
add_library(dsr1::cuda ALIAS dsr1_cuda)
set_target_properties(dsr1_cuda PROPERTIES EXPORT_NAME cuda)
target_sources(dsr1_cuda INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include
               FILES ${cuda_headers} ${PROJECT_SOURCE_DIR}/include/dsr1/cuda.cuh)
target_link_libraries(dsr1_cuda INTERFACE dsr1_core CUDA::cudart CUDA::cublasLt)

# Our own programs for a device, when there is a compiler for them.
set(dsr1_cuda_programs FALSE)
if(PROJECT_IS_TOP_LEVEL AND DSR1_BUILD_TESTS)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 90)
    endif()
    enable_language(CUDA)
    set(dsr1_cuda_programs TRUE)
  endif()
endif()
