// expect: this type is not an optimizer policy
#include <dsr1/cpu.hpp>
#include <dsr1/nn/linear.hpp>
#include <dsr1/optim/adamw.hpp>

#ifdef DSR1_FIXED
using rule = dsr1::adamw;
#else
struct rule {
  static constexpr int states = 1;
};
#endif

void build(dsr1::context<dsr1::cpu>& ctx, dsr1::linear<>& layer) {
  const dsr1::parameter_list<float> list(layer);
  dsr1::optimizer<rule, float> optimizer(ctx, list);
}
