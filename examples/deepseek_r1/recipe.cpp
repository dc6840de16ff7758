// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// deepseek_r1 run: the stages of a recipe, one after another, each as its own command would be.

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/json.hpp>

#include "commands.hpp"

namespace seed {
namespace {

namespace fs = std::filesystem;

/// A recipe is {"stages": [{"name": ..., "command": ..., <option>: <value>, ...}, ...]}. Options
/// are those of the command without their dashes: a text or number follows its option, true is a
/// flag, a list gives several values; "inputs" are the arguments without a name. The output of a
/// stage is <folder>/<name>; "{name}" in a value stands for the output of an earlier stage.
struct stage {
  std::string name, command;
  std::vector<std::string> arguments = {};
  fs::path out = {};
  bool trains = false;  ///< the command can resume
};

std::string with_outputs(std::string value, const std::vector<stage>& before,
                         const std::string& where) {
  for (std::size_t at = 0; (at = value.find('{', at)) != std::string::npos;) {
    const std::size_t end = value.find('}', at);
    if (end == std::string::npos || value[at + 1] == '"') break;  // JSON, as task options are
    const std::string name = value.substr(at + 1, end - at - 1);
    std::vector<std::string> names;
    const stage* found = nullptr;
    for (const stage& s : before) {
      names.push_back(s.name);
      if (s.name == name) found = &s;
    }
    if (found == nullptr)
      throw dsr1::error(dsr1::text(where, ": no stage before is called \"", name, "\"",
                                   dsr1::suggestion(name, names)));
    value.replace(at, end - at + 1, found->out.string());
    at += found->out.string().size();
  }
  return value;
}

std::vector<std::string> values_of(const dsr1::json& v, const std::string& where) {
  if (v.is_string()) return {v.get<std::string>()};
  if (v.is_number() || v.is_object()) return {v.dump()};
  dsr1::expects(v.is_array(), where, " is ", v.dump(),
                ", expected a text, a number, true or a list");
  std::vector<std::string> all;
  for (const dsr1::json& one : v)
    for (const std::string& s : values_of(one, where)) all.push_back(s);
  return all;
}

/// Throws `error` naming what is unknown, and the nearest that is known.
stage read_stage(const dsr1::json_object& o, const fs::path& folder,
                 const std::vector<stage>& before, CLI::App& app) {
  stage s{.name = o.get<std::string>("name"), .command = o.get<std::string>("command")};
  dsr1::expects(!s.name.empty() && s.name.find_first_of("/{}.") == std::string::npos, o.source(),
                ": \"name\" is \"", s.name, "\", expected letters without / { } .");
  for (const stage& other : before)
    dsr1::expects(other.name != s.name, o.source(), ": two stages are called \"", s.name, "\"");
  std::vector<std::string> commands;
  CLI::App* command = nullptr;
  for (CLI::App* sub : app.get_subcommands([](CLI::App* a) { return a->get_name() != "run"; })) {
    commands.push_back(sub->get_name());
    if (sub->get_name() == s.command) command = sub;
  }
  if (command == nullptr)
    throw dsr1::error(dsr1::text(o.source(), ": there is no command \"", s.command, "\"",
                                 dsr1::suggestion(s.command, commands)));
  std::vector<std::string> known = {"name", "command", "inputs"};
  for (const CLI::Option* option : command->get_options())
    for (const std::string& long_name : option->get_lnames()) known.push_back(long_name);
  s.out = folder / s.name;
  s.trains = std::find(known.begin(), known.end(), "resume") != known.end();
  s.arguments = {s.command};
  for (const auto& [key, value] : o.value().items()) {
    const std::string where = o.source() + ": \"" + key + "\"";
    if (key == "name" || key == "command") continue;
    dsr1::expects(key != "out" && key != "resume", where, " is set by the recipe itself");
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw dsr1::error(
          dsr1::text(o.source(), ": unknown key \"", key, "\"", dsr1::suggestion(key, known)));
    if (value.is_boolean()) {
      if (value.get<bool>()) s.arguments.push_back("--" + key);
      continue;
    }
    if (key != "inputs") s.arguments.push_back("--" + key);
    for (const std::string& v : values_of(value, where))
      s.arguments.push_back(with_outputs(v, before, where));
  }
  if (std::find(known.begin(), known.end(), "out") != known.end()) {
    s.arguments.push_back("--out");
    s.arguments.push_back(s.out.string());
  }
  return s;
}

int call(std::vector<std::string> arguments) {
  CLI::App app("deepseek_r1");
  add_commands(app);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants a list
  try {
    app.parse(std::move(arguments));
    return 0;
  } catch (const CLI::RuntimeError& e) {
    return e.get_exit_code();  // interrupted
  } catch (const CLI::ParseError& e) {
    throw dsr1::error(e.what());
  }
}

/// Stages that are done are passed over, one that was interrupted goes on.
int run(const std::string& path, const fs::path& folder) {
  const auto recipe = dsr1::json_object::read(path);
  recipe.expect_only({"stages"});
  CLI::App app("deepseek_r1");
  add_commands(app);
  std::vector<stage> stages;
  for (const dsr1::json& one : recipe.get<dsr1::json>("stages"))
    stages.push_back(
        read_stage({one, dsr1::text(path, ": stage ", stages.size() + 1)}, folder, stages, app));
  fs::create_directories(folder);
  for (const stage& s : stages) {
    const fs::path done = folder / (s.name + ".done");
    std::string what;
    for (const std::string& a : s.arguments) what += a + "\n";
    if (fs::exists(done)) {
      dsr1::expects(dsr1::open_file(done.string(), O_RDONLY).read() == what, done.string(),
                    " is of a stage with other options; remove ", s.out.string(), " and ",
                    done.string(), " to run it again");
      fmt::print("== {} ({}): done before\n", s.name, s.command);
      continue;
    }
    fmt::print("== {} ({})\n", s.name, s.command);
    std::fflush(stdout);
    std::vector<std::string> arguments = s.arguments;
    if (s.trains && fs::exists(s.out / "run.json"))
      arguments = {s.command, "--out", s.out.string(), "--resume"};
    try {
      if (const int status = call(arguments); status != 0) return status;
    } catch (const dsr1::error& e) {
      throw dsr1::error(dsr1::text("stage ", s.name, ": ", e.what()), e.at());
    }
    dsr1::write_file(done, what);
  }
  return 0;
}

}  // namespace

void add_run(CLI::App& app) {
  struct options {
    std::string recipe, out;
  };
  auto o = std::make_shared<options>();
  CLI::App* sub = app.add_subcommand("run", "Runs the stages of a recipe; again: goes on with it");
  sub->add_option("recipe", o->recipe, "JSON file")->required()->check(CLI::ExistingFile);
  sub->add_option("--out", o->out, "folder of all stages")->required();
  sub->callback([o] {
    if (const int status = run(o->recipe, o->out); status != 0) throw CLI::RuntimeError(status);
  });
}

}  // namespace seed
