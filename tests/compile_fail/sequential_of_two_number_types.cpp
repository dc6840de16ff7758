// expect: all layers of a sequential must have the same number type
#include <dsr1/nn/linear.hpp>
#include <dsr1/nn/sequential.hpp>

#ifdef DSR1_FIXED
using second = float;
#else
using second = double;
#endif

dsr1::sequential<dsr1::linear<dsr1::linear_shape{.in = 2, .out = 2}, float>,
                 dsr1::linear<dsr1::linear_shape{.in = 2, .out = 2}, second>>
    layers;
