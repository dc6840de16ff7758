// expect: head_dim must be even, because rotary positions turn pairs
#include <dsr1/attention/attention.hpp>

#ifdef DSR1_FIXED
constexpr dsr1::index_t head_dim = 4;
#else
constexpr dsr1::index_t head_dim = 5;
#endif

dsr1::attention<dsr1::attention_shape{.dim = 8, .heads = 2, .kv_heads = 2, .head_dim = head_dim}>
    layer;
