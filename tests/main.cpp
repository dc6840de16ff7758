// The main program of all tests (Catch2 3 brings its own).
#if DSR1_CATCH2_VERSION == 2
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif
