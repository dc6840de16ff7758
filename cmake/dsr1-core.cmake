# The component `core`: all headers that need neither CUDA nor MPI.

find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED)
# Unversioned on purpose: Eigen 5 refuses a request for 3.4, and serves as well.
find_package(Eigen3 REQUIRED CONFIG)
if(Eigen3_VERSION VERSION_LESS 3.4)
  message(FATAL_ERROR "dsr1 needs Eigen 3.4 or newer, found ${Eigen3_VERSION}")
endif()

file(GLOB_RECURSE dsr1_headers CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/include/dsr1/*.hpp ${PROJECT_SOURCE_DIR}/include/dsr1/*.inc)
list(FILTER dsr1_headers EXCLUDE REGEX "/include/dsr1/(text|mpi|cuda|nccl)(/|\\.hpp)")  # components of their own

add_library(dsr1_core INTERFACE)
add_library(dsr1::core ALIAS dsr1_core)
add_library(dsr1::dsr1 ALIAS dsr1_core)
set_target_properties(dsr1_core PROPERTIES EXPORT_NAME core)
target_compile_features(dsr1_core INTERFACE cxx_std_20)
target_sources(dsr1_core INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include
               FILES ${dsr1_headers})
target_link_libraries(dsr1_core INTERFACE Eigen3::Eigen Threads::Threads nlohmann_json::nlohmann_json)
