// expect: the second argument of moe is not a gate policy
#include <dsr1/moe/moe.hpp>

#ifdef DSR1_FIXED
using my_gate = dsr1::softmax_gate;
#else
struct my_gate {
  void route() const {}
};
#endif

dsr1::moe<dsr1::moe_shape{.dim = 8, .hidden = 4, .experts = 4, .top_k = 2}, my_gate> layer;
