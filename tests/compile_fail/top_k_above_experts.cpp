// expect: top_k must not exceed the number of experts
#include <dsr1/moe/moe.hpp>

#ifdef DSR1_FIXED
constexpr dsr1::index_t top_k = 4;
#else
constexpr dsr1::index_t top_k = 5;
#endif

dsr1::moe<dsr1::moe_shape{.dim = 8, .hidden = 4, .experts = 4, .top_k = top_k}> layer;
