// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where the golden vectors of the project lie.

#include "golden.hpp"

const char* golden::project_folder() { return DSR1_TEST_GOLDEN; }
