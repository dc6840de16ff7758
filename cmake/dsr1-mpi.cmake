# The component `mpi`: ranks as processes. Left out where there is no MPI.

option(DSR1_MPI "The component mpi, when MPI is found" ON)
if(NOT DSR1_MPI)
  return()
endif()

set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI QUIET COMPONENTS CXX)
if(NOT MPI_CXX_FOUND)
  message(STATUS "dsr1::mpi is left out, with its tests: no MPI was found (Debian: openmpi-bin libopenmpi-dev)")
  return()
endif()

file(GLOB mpi_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/dsr1/mpi/*.hpp)
add_library(dsr1_mpi INTERFACE)
add_library(dsr1::mpi ALIAS dsr1_mpi)
set_target_properties(dsr1_mpi PROPERTIES EXPORT_NAME mpi)
target_sources(dsr1_mpi INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include
               FILES ${mpi_headers} ${PROJECT_SOURCE_DIR}/include/dsr1/mpi.hpp)
target_link_libraries(dsr1_mpi INTERFACE dsr1_core MPI::MPI_CXX)
