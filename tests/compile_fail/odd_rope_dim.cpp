// expect: rope_dim must be even, because rotary positions turn pairs
#include <dsr1/attention/latent.hpp>

#ifdef DSR1_FIXED
constexpr dsr1::index_t rope_dim = 4;
#else
constexpr dsr1::index_t rope_dim = 5;
#endif

dsr1::latent_attention<dsr1::latent_shape{.dim = 8,
                                          .heads = 2,
                                          .q_rank = 0,
                                          .kv_rank = 4,
                                          .plain_dim = 4,
                                          .rope_dim = rope_dim,
                                          .value_dim = 4}>
    layer;
