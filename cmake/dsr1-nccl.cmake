# The component `nccl`: ranks with a GPU each. Left out where NCCL or the CUDA runtime is missing.

option(DSR1_NCCL "The component nccl, when NCCL and the CUDA toolkit are found" ON)
if(NOT DSR1_NCCL)
  return()
endif()

list(PREPEND CMAKE_MODULE_PATH ${PROJECT_SOURCE_DIR}/cmake)
find_package(CUDAToolkit QUIET)
find_package(NCCL 2.18 QUIET MODULE)  # 2.18 has ncclCommSplit
list(POP_FRONT CMAKE_MODULE_PATH)
if(NOT CUDAToolkit_FOUND OR NOT NCCL_FOUND)
  message(STATUS "dsr1::nccl is left out, with its tests: it needs NCCL 2.18 and the CUDA toolkit")
  return()
endif()

file(GLOB nccl_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/dsr1/nccl/*.hpp)
add_library(dsr1_nccl INTERFACE)
add_library(dsr1::nccl ALIAS dsr1_nccl)
set_target_properties(dsr1_nccl PROPERTIES EXPORT_NAME nccl)
target_sources(dsr1_nccl INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include
               FILES ${nccl_headers} ${PROJECT_SOURCE_DIR}/include/dsr1/nccl.hpp
               ${PROJECT_SOURCE_DIR}/include/dsr1/cuda/check.hpp)
target_link_libraries(dsr1_nccl INTERFACE dsr1_core NCCL::NCCL CUDA::cudart)
