// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// generate DIR: continues prompts with a checkpoint of a published family.

#include <chrono>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "options.hpp"

namespace {

using checkpoint::index_t;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// A request's text so far; one alone is shown as it comes.
struct answer {
  std::string prompt, text;
  std::vector<std::int32_t> ids;
  std::optional<dsr1::stream_decoder> decode;
  dsr1::stop_matcher stops;
};

struct options : checkpoint::text_options {
  std::vector<std::string> prompts;
  std::vector<std::int32_t> ids;
  bool plain = false;
};

/// Appends a token; false when a stop string ends the text.
bool take(answer& a, std::int32_t token, bool show) {
  a.ids.push_back(token);
  if (!a.decode) {
    if (show) std::cout << (a.ids.size() > 1 ? "," : "") << token << std::flush;
    return true;
  }
  const std::string piece = a.stops.push(a.decode->push(token));
  a.text += piece;
  if (show) std::cout << piece << std::flush;
  return !a.stops.stopped();
}

void finish(answer& a, bool show) {
  if (!a.decode) return;
  std::string rest = a.stops.stopped() ? "" : a.stops.push(a.decode->finish());
  rest += a.stops.stopped() ? "" : a.stops.finish();
  a.text += rest;
  if (show) std::cout << rest;
}

void report(index_t tokens, double time, const std::string& more = "") {
  fmt::print(stderr, "[{} tokens in {:.3f} s with the prompts, {:.1f} tokens/s{}]\n", tokens, time,
             static_cast<double>(tokens) / std::max(time, 1e-9), more);
}

void generate(options o) {
  std::optional<dsr1::tokenizer> words;
  if (o.ids.empty()) words = checkpoint::tokenizer_of(o.folder);
  const std::size_t count = o.ids.empty() ? o.prompts.size() : 1;
  dsr1::expects(count > 0, "no prompt: give --prompt or --ids");
  o.engine.slots = static_cast<index_t>(std::min<std::size_t>(count, 16));
  const auto engine = checkpoint::open(o);
  std::map<dsr1::request_id, answer> answers;
  std::vector<dsr1::generation_request> requests;
  for (std::size_t i = 0; i < count; ++i) {
    answer a;
    dsr1::generation_request r{.prompt = o.ids, .max_tokens = o.tokens, .sampling = o.sampling};
    r.stop_tokens = engine->config().end;
    if (words) {
      a.prompt = o.prompts[i];
      a.decode.emplace(*words, dsr1::decode_options{.skip_special = true});
      a.stops = dsr1::stop_matcher(o.stops);
      r.prompt = words->encode(a.prompt, {.special_as_text = o.plain});
    }
    requests.push_back(r);
    answers.emplace(i + 1, std::move(a));  // requests count from 1
  }
  const bool show = count == 1;
  const double start = seconds();
  if (show && words) std::cout << answers.at(1).prompt << std::flush;
  if (o.guesses > 0) {
    dsr1::expects(show, "--draft takes one prompt");
    const auto n = engine->speculate(requests[0], o.guesses, [&](std::int32_t token) {
      return take(answers.at(1), token, true);
    });
    finish(answers.at(1), true);
    std::cout << "\n";
    return report(
        static_cast<index_t>(n.tokens), seconds() - start,
        fmt::format("; {} of {} guesses kept in {} calls", n.accepted, n.proposed, n.rounds));
  }
  for (const auto& r : requests) engine->submit(r);
  index_t tokens = 0;
  while (engine->step([&](const checkpoint::token_event& e) {
    ++tokens;
    answer& a = answers.at(e.request);
    if (e.why == dsr1::finish::stop_token || !take(a, e.token, show)) {
      engine->cancel(e.request);
      finish(a, show);
    } else if (e.why == dsr1::finish::length) {
      finish(a, show);
    }
  })) {
  }
  const double time = seconds() - start;
  if (!show)
    for (const auto& [id, a] : answers)
      std::cout << "== " << id << "\n" << a.prompt << a.text << "\n";
  else
    std::cout << "\n";
  const auto n = engine->expert_counts();
  report(tokens, time,
         n.uses == 0
             ? ""
             : fmt::format("; {:.0f} % of {} uses of experts had a copy, {} copied",
                           100.0 * static_cast<double>(n.hits) / static_cast<double>(n.uses),
                           n.uses, n.copied));
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app("Continues prompts with a checkpoint; several prompts run side by side");
  add_options(app, o);
  app.add_option("--prompt", o.prompts, "how the text begins; may be given several times");
  app.add_option("--ids", o.ids, "the prompt as token ids, for folders without a tokenizer")
      ->delimiter(',');
  app.add_flag("--plain", o.plain, "special tokens in the prompt are text");
  CLI11_PARSE(app, argc, argv);
  try {
    generate(o);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
  return 0;
}
