// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tasks by name, and their options as JSON.

#include "any_task.hpp"

#include <dsr1/rl/arithmetic.hpp>
#include <dsr1/rl/countdown.hpp>
#include <dsr1/rl/program.hpp>
#include <dsr1/rl/records.hpp>

namespace seed {

template <class Task>
struct any_task::of final : any_task::face {
  Task task;

  explicit of(Task t) : task(std::move(t)) {}
  problem sample(dsr1::split which, std::uint64_t i) const override {
    auto whole = std::make_shared<const typename Task::problem>(task.sample(which, i));
    return {whole->prompt, whole->solution, whole};
  }
  dsr1::verdict verify(const problem& p, std::string_view answer) const override {
    return task.verify(*static_cast<const typename Task::problem*>(p.whole.get()), answer);
  }
};

const std::vector<std::string>& any_task::names() {
  static const std::vector<std::string> all = {
      std::string(dsr1::arithmetic::name), std::string(dsr1::countdown::name),
      std::string(dsr1::records::name), std::string(dsr1::program::name)};
  return all;
}

any_task any_task::make(const std::string& task, const dsr1::json_object& o) {
  const auto made = [&](auto t) {
    return any_task(task, std::make_shared<const of<decltype(t)>>(std::move(t)));
  };
  const auto set = [&](const char* key, auto& value) { value = o.get(key, value); };
  if (task == dsr1::arithmetic::name) {
    o.expect_only({"seed", "largest", "operators"});
    dsr1::arithmetic_options a;
    set("seed", a.seed);
    set("largest", a.largest);
    set("operators", a.operators);
    return made(dsr1::arithmetic(a));
  }
  if (task == dsr1::countdown::name) {
    o.expect_only({"seed", "fewest", "most", "largest", "largest_target", "operators", "form"});
    dsr1::countdown_options c;
    set("seed", c.seed);
    set("fewest", c.fewest);
    set("most", c.most);
    set("largest", c.largest);
    set("largest_target", c.largest_target);
    set("operators", c.operators);
    const auto form = o.get<std::string>("form", "bare");
    dsr1::expects(form == "bare" || form == "tagged" || form == "thinking", o.source(),
                  ": \"form\" is \"", form, "\", expected bare, tagged or thinking");
    c.form = form == "bare"     ? dsr1::countdown_form::bare
             : form == "tagged" ? dsr1::countdown_form::tagged
                                : dsr1::countdown_form::thinking;
    return made(dsr1::countdown(c));
  }
  if (task == dsr1::records::name) {
    o.expect_only({"seed", "templates", "longest"});
    dsr1::records_options r;
    set("seed", r.seed);
    set("templates", r.templates);
    set("longest", r.longest);
    return made(dsr1::records(r));
  }
  if (task == dsr1::program::name) {
    o.expect_only({"seed", "shown", "largest_input", "most_letters", "loops"});
    dsr1::program_options p;
    set("seed", p.seed);
    set("shown", p.shown);
    set("largest_input", p.largest_input);
    set("most_letters", p.most_letters);
    set("loops", p.loops);
    return made(dsr1::program(p));
  }
  throw dsr1::error(dsr1::text("there is no task \"", task, "\"", dsr1::suggestion(task, names())));
}

dsr1::json task_options_of(const std::string& text) {
  return text.empty() ? dsr1::json::object() : dsr1::parse_json(text, "--task-options");
}

any_task any_task::make(const std::string& task, const std::string& options) {
  return make(task, dsr1::json_object(task_options_of(options), "the options of the task"));
}

std::string answer_line(const std::string& prompt, const dsr1::experience& answer,
                        dsr1::json more) {
  more.update({{"prompt", prompt},
               {"answer", answer.text},
               {"reached", answer.judged.reached},
               {"why", answer.judged.why}});
  return more.dump(-1, ' ', false, dsr1::json::error_handler_t::replace) + "\n";
}

}  // namespace seed
