// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The version of the library; CMakeLists.txt reads it from here.
#pragma once

#define DSR1_VERSION_MAJOR 0
#define DSR1_VERSION_MINOR 1
#define DSR1_VERSION_PATCH 0

namespace dsr1 {

struct version {
  int major = DSR1_VERSION_MAJOR;
  int minor = DSR1_VERSION_MINOR;
  int patch = DSR1_VERSION_PATCH;
};

}  // namespace dsr1
