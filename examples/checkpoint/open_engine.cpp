// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The engine for a folder, on the device that was asked for.

#include <algorithm>

#include <dsr1/io/read_model_config.hpp>

#include "engine.hpp"

std::unique_ptr<checkpoint::engine> checkpoint::open_engine(const std::filesystem::path& folder,
                                                            const engine_options& options) {
  dsr1::expects(options.device == "cpu" || options.device == "cuda", "device '", options.device,
                "', expected cpu or cuda");
  dsr1::model_config c = dsr1::read_model_config(folder);
  // Instruction-tuned models name further end tokens there.
  if (const auto path = folder / "generation_config.json"; std::filesystem::exists(path)) {
    dsr1::config_keys keys(dsr1::json_object::read(path));
    for (const std::int32_t token : dsr1::read_tokens(keys, "eos_token_id", c.vocab))
      if (std::find(c.end.begin(), c.end.end(), token) == c.end.end()) c.end.push_back(token);
  }
  if (options.device == "cpu") return open_engine_on<dsr1::cpu>(c, folder, options);
#if defined(CHECKPOINT_CUDA)
  return open_engine_on<dsr1::cuda>(c, folder, options);
#else
  dsr1::expects(false, "--device cuda: this program was built without CUDA; build the target ",
                "generate_cuda or chat_cuda, which needs the CUDA toolkit");
  return {};
#endif
}
