// expect: the number of heads must be a multiple of the number of key-value heads
#include <dsr1/attention/attention.hpp>

#ifdef DSR1_FIXED
constexpr dsr1::index_t heads = 4;
#else
constexpr dsr1::index_t heads = 3;
#endif

dsr1::attention<dsr1::attention_shape{.dim = 8, .heads = heads, .kv_heads = 2, .head_dim = 4}>
    layer;
