# Every header compiles alone, and two translation units that include all of them link together (a
# missing `inline` is a duplicate symbol). Part of the build of the tests; nothing runs.

file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/include/dsr1/*.hpp)
set(sources)
foreach(header IN LISTS headers)
  string(MAKE_C_IDENTIFIER ${header} name)
  set(source ${PROJECT_BINARY_DIR}/header_tests/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include <@header@>\n#include <@header@>\n" @ONLY)
  list(APPEND sources ${source})
endforeach()

add_library(dsr1_each_header_alone OBJECT ${sources})
target_link_libraries(dsr1_each_header_alone PRIVATE dsr1_development)
target_compile_options(dsr1_each_header_alone PRIVATE -O0)

foreach(unit a b)
  set(source ${PROJECT_BINARY_DIR}/header_tests/all_${unit}.cpp)
  set(rest "")
  if(unit STREQUAL a)
    set(rest "int main() {}\n")
  endif()
  file(CONFIGURE OUTPUT ${source} CONTENT "#include <dsr1/dsr1.hpp>\n#include <dsr1/testing.hpp>\n@rest@" @ONLY)
  list(APPEND units ${source})
endforeach()
add_executable(dsr1_all_headers_twice ${units})
target_link_libraries(dsr1_all_headers_twice PRIVATE dsr1_development)
target_compile_options(dsr1_all_headers_twice PRIVATE -O0)
