// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A checkpoint of any known family, ready to generate.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <dsr1/backend/options.hpp>
#include <dsr1/backend/residence_ops.hpp>
#include <dsr1/io/model_config.hpp>
#include <dsr1/model/generator.hpp>
#include <dsr1/model/speculative.hpp>
#include <dsr1/moe/expert_store.hpp>

namespace dsr1 {
struct cpu;
struct cuda;
}  // namespace dsr1

namespace checkpoint {

using dsr1::index_t;

struct engine_options {
  std::string device = "cpu";  ///< or "cuda"
  int threads = 0;
  index_t slots = 1;
  index_t capacity = 4096;
  index_t chunk = 512;
  index_t step_tokens = 512;
  bool packed = true;                                 ///< weights as they are stored
  dsr1::residence experts = dsr1::residence::device;  ///< where those of experts lie
  index_t expert_memory = 0;  ///< bytes of the device for copies of experts in demand; 0: none
  dsr1::activation_type activations = dsr1::activation_type::exact;
  std::function<void(index_t done, index_t total)> progress = {};  ///< while loading
};

struct token_event {
  dsr1::request_id request = 0;
  std::int32_t token = 0;
  dsr1::finish why = dsr1::finish::running;
};

/// One interface over the types of model; see dsr1::generator for what the members do.
class engine {
 public:
  virtual ~engine() = default;
  virtual const dsr1::model_config& config() const = 0;
  virtual dsr1::request_id submit(dsr1::generation_request request) = 0;
  virtual bool cancel(dsr1::request_id id) = 0;
  /// All zero without memory for copies.
  virtual dsr1::expert_store_counts expert_counts() const = 0;
  virtual bool step(const std::function<void(const token_event&)>& on_token) = 0;

  /// Continues one prompt with the guesses of the model's multi-token-prediction layer.
  /// on_token returns false to end. Throws `error` for a model without such a layer.
  virtual dsr1::speculative_counts speculate(const dsr1::generation_request& request,
                                             index_t guesses,
                                             const std::function<bool(std::int32_t)>& on_token) = 0;
};

/// Loads a folder. Throws `error` as the readers of its files do, and for a device that is unknown
/// or that the program was built without.
std::unique_ptr<engine> open_engine(const std::filesystem::path& folder,
                                    const engine_options& options);

/// The same on one backend, a file each.
template <class Backend>
std::unique_ptr<engine> open_engine_on(const dsr1::model_config& config,
                                       const std::filesystem::path& folder,
                                       const engine_options& options);

}  // namespace checkpoint
