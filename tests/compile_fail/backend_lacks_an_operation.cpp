// expect: linear_ops
#include <dsr1/cpu.hpp>
#include <dsr1/nn/linear.hpp>

// A backend without matrix products: the diagnostic names the group that is missing.
#ifdef DSR1_FIXED
struct my_backend : dsr1::cpu {};
#else
struct my_backend : dsr1::cpu_tensor {
  using device = dsr1::cpu_device;
};
#endif

void run(dsr1::context<my_backend>& ctx, dsr1::linear<>& layer, dsr1::view<const float, 2> x) {
  dsr1::linear<>::saved saved;
  layer.forward(ctx, x, saved);
}
