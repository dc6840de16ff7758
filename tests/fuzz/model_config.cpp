// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes as the config.json of a model: an error that names it, or a model that can be.

#include <cmath>
#include <cstdint>
#include <string_view>

#include <dsr1/io/read_model_config.hpp>
#include <dsr1/io/write_model_config.hpp>
#include <dsr1/model/published_sizes.hpp>

#include "require.hpp"

namespace {

void use(const dsr1::model_config& c) {
  const auto layers = static_cast<std::size_t>(c.layers);
  require(c.vocab > 0 && c.dim > 0 && c.layers > 0 && c.context > 0 && c.head_dim > 0);
  require(c.heads > 0 && c.kv_heads > 0 && c.heads % c.kv_heads == 0);
  require(c.window.size() == layers && c.sparse.size() == layers);
  for (const dsr1::index_t w : c.window) require(w >= 0);
  require(c.experts > 0 && c.top_k > 0 && c.top_k <= c.experts && c.expert_hidden > 0);
  require(c.groups > 0 && c.experts % c.groups == 0 && c.top_groups > 0);
  require(c.top_groups <= c.groups && c.top_k <= c.experts / c.groups * c.top_groups);
  require(c.norm_eps > 0 && c.rope.factor >= 1 && c.rope.theta >= 1);
  for (const double x : {c.norm_eps, c.attention_scale, c.rope.concentration, c.rope.factor,
                         c.routed_scale, c.balance_loss, c.glu_alpha, c.glu_limit})
    require(std::isfinite(x) && x >= 0);
  const dsr1::published_size size = dsr1::size_of(dsr1::published_shape_of(c, dsr1::coding::f32));
  require(size.tensors > 0 && size.bytes > 0 && size.active > 0 && size.draft >= 0);
  require(size.active <= size.parameters);
  for (const std::int32_t token : c.end) require(token >= 0 && token < c.vocab);
  require(c.begin >= -1 && c.begin < c.vocab && c.padding >= -1 && c.padding < c.vocab);
}

/// What is written is read again, but for keys that we do not know and the last bits of two numbers
/// that the file has in other words.
void write_and_read(dsr1::model_config c) {
  dsr1::json written;
  try {
    written = dsr1::model_config_json(c);
  } catch (const dsr1::error& e) {
    require(std::string_view(e.what()).find("cannot express") != std::string_view::npos);
    return;
  }
  if (c.quantization == "dsr1") c.quantization = "";  // the converter adds that
  c.unknown.clear();
  dsr1::model_config again = dsr1::read_model_config(dsr1::json_object(written, "what we wrote"));
  const auto near = [](double a, double& b) {
    require(std::abs(a - b) <= 1e-9 * std::abs(a));
    b = a;
  };
  near(c.attention_scale, again.attention_scale);
  near(c.rope.concentration, again.rope.concentration);
  require(again == c);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const dsr1::model_config c = dsr1::read_model_config(
        dsr1::json_object(dsr1::parse_unambiguous_json(text, "the file"), "the file"));
    use(c);
    write_and_read(c);
  } catch (const dsr1::error& e) {
    require(std::string_view(e.what()).find("the file") != std::string_view::npos);
  }
  return 0;
}
