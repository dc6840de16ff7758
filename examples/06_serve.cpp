// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Serves more requests than there are slots, each until a stop string, as their tokens come.

#include <cstdio>
#include <map>
#include <string>

#include "tiny.hpp"

int main() {
  dsr1::context<dsr1::cpu> ctx({.seed = 1});
  tiny::model model;
  tiny::learn(ctx, model, 500);

  // [serve]
  dsr1::generator serve(ctx, model,
                        {.cache = {.slots = 2, .capacity = 256, .chunk = 64}, .step_tokens = 16});

  struct reader {
    std::string text;
    dsr1::stop_matcher until{{". ", "; "}};
  };
  std::map<dsr1::request_id, reader> readers;
  for (const std::string prompt : {"A layer is ", "Saved is ", "Parameter ", "composition "}) {
    const auto id = serve.submit({.prompt = {prompt.begin(), prompt.end()},
                                  .max_tokens = 100,
                                  .sampling = {.temperature = 0.2, .min_p = 0.05, .seed = 7}});
    readers[id].text = prompt;
  }
  // One call of the model per step: a token for each that runs, pieces of prompts for new ones.
  serve.run([&](const dsr1::generated_token<float>& t) {
    reader& r = readers[t.request];
    r.text += r.until.push(std::string(1, static_cast<char>(t.token)));
    if (r.until.stopped())
      serve.cancel(t.request);  // frees the slot for who waits
    else if (t.why != dsr1::finish::running)
      r.text += r.until.finish();
  });
  // [/serve]

  bool ok = readers.size() == 4;
  for (const auto& [id, r] : readers) {
    std::printf("%d: %s\n", static_cast<int>(id), r.text.c_str());
    ok = ok && r.until.stopped() && r.text.find(". ") == std::string::npos;
  }
  ok = ok && readers[1].text ==
                 "A layer is any type with a nested saved, and forward, backward and "
                 "for_each_parameter";
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}
