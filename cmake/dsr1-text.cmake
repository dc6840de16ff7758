# The component `text`: reads published tokenizers. Left out where its libraries are missing.

option(DSR1_TEXT "The component text (needs PCRE2 and utf8proc), when they are found" ON)
if(NOT DSR1_TEXT)
  return()
endif()

list(PREPEND CMAKE_MODULE_PATH ${PROJECT_SOURCE_DIR}/cmake)
find_package(PCRE2 10.40 QUIET MODULE)  # 10.40 knows \p{White_Space} and Unicode 14
find_package(utf8proc 2.1 QUIET MODULE)
list(POP_FRONT CMAKE_MODULE_PATH)
if(NOT PCRE2_FOUND OR NOT utf8proc_FOUND)
  message(STATUS "dsr1::text is left out, with its tests: it needs PCRE2 10.40 (8-bit) and utf8proc 2.1 "
                 "(Debian: libpcre2-dev libutf8proc-dev)")
  return()
endif()

file(GLOB text_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/dsr1/text/*.hpp)
add_library(dsr1_text INTERFACE)
add_library(dsr1::text ALIAS dsr1_text)
set_target_properties(dsr1_text PROPERTIES EXPORT_NAME text)
target_sources(dsr1_text INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include
               FILES ${text_headers} ${PROJECT_SOURCE_DIR}/include/dsr1/text.hpp)
target_link_libraries(dsr1_text INTERFACE dsr1_core PCRE2::8BIT utf8proc::utf8proc)
