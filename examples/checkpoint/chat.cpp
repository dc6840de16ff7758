// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// chat DIR: a conversation with an instruction-tuned checkpoint, a line at a time.

#include <fmt/format.h>

#include "chat_template.hpp"
#include "options.hpp"

namespace {

struct options : checkpoint::text_options {
  std::string system, template_file;
};

/// Answers the last turn, shows the answer as it comes and returns it.
std::string answer(checkpoint::engine& engine, const dsr1::tokenizer& words, const options& o,
                   const checkpoint::chat_template& form,
                   const std::vector<checkpoint::turn>& turns) {
  dsr1::generation_request r;
  r.max_tokens = o.tokens;
  r.sampling = o.sampling;
  r.prompt = words.encode(form.text(o.system, turns), {.add_special = false});
  r.stop_tokens = engine.config().end;
  std::vector<std::string> stops = o.stops;
  for (const std::string& s : form.stops) {
    const std::int32_t id = words.id_of(s);
    if (id >= 0)
      r.stop_tokens.push_back(id);
    else
      stops.push_back(s);
  }
  dsr1::stream_decoder decode(words, {.skip_special = true});
  dsr1::stop_matcher matcher(stops);
  std::string all;
  const auto show = [&](const std::string& piece) {
    all += piece;
    std::cout << piece << std::flush;
  };
  const auto take = [&](std::int32_t token) {
    show(matcher.push(decode.push(token)));
    return !matcher.stopped();
  };
  if (o.guesses > 0) {
    engine.speculate(r, o.guesses, take);
  } else {
    engine.submit(r);
    while (engine.step([&](const checkpoint::token_event& e) {
      if (e.why != dsr1::finish::stop_token && !take(e.token)) engine.cancel(e.request);
    })) {
    }
  }
  if (!matcher.stopped()) show(matcher.push(decode.finish()) + matcher.finish());
  std::cout << "\n";
  return all;
}

void chat(const options& o) {
  const dsr1::tokenizer words = checkpoint::tokenizer_of(o.folder);
  const auto engine = checkpoint::open(o);
  const auto form = o.template_file.empty()
                        ? checkpoint::chat_template::of_family(engine->config().model_type)
                        : checkpoint::chat_template::read(o.template_file);
  std::vector<checkpoint::turn> turns;
  std::string line;
  while (std::cout << "> " << std::flush, std::getline(std::cin, line)) {
    if (line.empty()) continue;
    turns.push_back({line, ""});
    turns.back().answer = answer(*engine, words, o, form, turns);
  }
  std::cout << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app("A conversation with a checkpoint; ends with the end of the input");
  add_options(app, o);
  app.add_option("--system", o.system, "instructions that come first");
  app.add_option("--template", o.template_file, "JSON file that says what stands around the turns")
      ->check(CLI::ExistingFile);
  CLI11_PARSE(app, argc, argv);
  try {
    chat(o);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
  return 0;
}
