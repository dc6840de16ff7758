// expect: sequential needs at least one layer
#include <dsr1/nn/linear.hpp>
#include <dsr1/nn/sequential.hpp>

#ifdef DSR1_FIXED
dsr1::sequential<dsr1::linear<dsr1::linear_shape{.in = 2, .out = 2}>> layers;
#else
dsr1::sequential<> layers;
#endif
