# Installation and the package files, for an installed tree and for the build tree alike.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_DATADIR}/cmake/dsr1)
install(TARGETS dsr1_core EXPORT dsr1-core-targets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT dsr1-core-targets NAMESPACE dsr1:: DESTINATION ${package_folder})
export(EXPORT dsr1-core-targets NAMESPACE dsr1:: FILE ${PROJECT_BINARY_DIR}/dsr1-core-targets.cmake)

# One export set per component, so that a program needs only the libraries of those it asks for.
set(dsr1_optional_components "")
set(text_modules FindPCRE2 Findutf8proc)
set(mpi_modules "")
set(cuda_modules "")
set(nccl_modules FindNCCL)
foreach(component text mpi cuda nccl)
  if(NOT TARGET dsr1_${component})
    continue()
  endif()
  list(APPEND dsr1_optional_components ${component})
  install(TARGETS dsr1_${component} EXPORT dsr1-${component}-targets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT dsr1-${component}-targets NAMESPACE dsr1:: DESTINATION ${package_folder})
  export(EXPORT dsr1-${component}-targets NAMESPACE dsr1:: FILE ${PROJECT_BINARY_DIR}/dsr1-${component}-targets.cmake)
  foreach(module IN LISTS ${component}_modules)
    install(FILES cmake/${module}.cmake DESTINATION ${package_folder})
    configure_file(cmake/${module}.cmake ${PROJECT_BINARY_DIR}/${module}.cmake COPYONLY)
  endforeach()
endforeach()

configure_package_config_file(cmake/dsr1-config.cmake.in ${PROJECT_BINARY_DIR}/dsr1-config.cmake
                              INSTALL_DESTINATION ${package_folder} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/dsr1-config-version.cmake
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/dsr1-config.cmake ${PROJECT_BINARY_DIR}/dsr1-config-version.cmake
        DESTINATION ${package_folder})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/dsr1)
