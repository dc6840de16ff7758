// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0

#include "device.hpp"

namespace seed {

void expect_device(const std::string& device, int ranks) {
  dsr1::expects(device == "cpu" || device == "cuda", "device '", device, "', expected cpu or cuda");
  if (device == "cpu") return;
#if !defined(DEEPSEEK_R1_CUDA)
  dsr1::expects(false, "--device cuda: this program was built without CUDA; build the target ",
                "deepseek_r1_cuda, which needs the CUDA toolkit");
#endif
  dsr1::expects(ranks == 1, "--device cuda with ", ranks,
                " ranks, expected one: several ranks compute on the CPU only");
}

std::unique_ptr<session> open_session(const std::string& device, const run_config& c,
                                      std::unique_ptr<batch_source> source, int threads,
                                      dsr1::rank_group group) {
  expect_device(device, group.size());
#if defined(DEEPSEEK_R1_CUDA)
  if (device == "cuda")
    return session_on<dsr1::cuda>(c, std::move(source), threads, std::move(group));
#endif
  return session_on<dsr1::cpu>(c, std::move(source), threads, std::move(group));
}

generation_report generate_from(const std::string& device, const std::filesystem::path& checkpoint,
                                const run_config& c, int threads, std::ostream& out,
                                const tokenizer& words, const generation& what) {
  expect_device(device, 1);
#if defined(DEEPSEEK_R1_CUDA)
  if (device == "cuda") return generate_on<dsr1::cuda>(checkpoint, c, threads, out, words, what);
#endif
  return generate_on<dsr1::cpu>(checkpoint, c, threads, out, words, what);
}

}  // namespace seed
