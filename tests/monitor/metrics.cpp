// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Metrics survive a round trip, a kill in the middle of a line, and a resume.

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "data/folder.hpp"

#include <dsr1/monitor/metrics.hpp>

using namespace dsr1;
using data_test::folder;

TEST_CASE("metrics_log: one line a step, null for what is not finite") {
  const folder f;
  const std::string path = (f / "metrics.jsonl").string();
  // [log]
  metrics_log log(path);
  log.write(1, {{"loss", 3.25}, {"rate", 1e-3}});
  // [/log]
  CHECK(data_test::read(path) == "{\"step\":1,\"loss\":3.25,\"rate\":0.001}\n");  // flushed already
  log.write(2, {{"loss", std::nan("")}, {"norm", std::numeric_limits<double>::infinity()}});
  log.write(3, {{"a \"name\"", 0.1}});
  CHECK(data_test::read(path).find(
            "{\"step\":2,\"loss\":null,\"norm\":null}\n{\"step\":3,\"a \\\"name\\\"\":0.1}\n") !=
        std::string::npos);
  const auto all = read_metrics(path);
  REQUIRE(all.size() == 3);
  CHECK(all[0].step == 1);
  CHECK(all[0].get("rate") == 1e-3);
  CHECK(std::isnan(all[1].get("norm")));
  CHECK(std::isnan(all[0].get("no such number")));
  CHECK(all[2].get("a \"name\"") == 0.1);
}

TEST_CASE("metrics_log: every double comes back") {
  const folder f;
  const std::string path = (f / "m").string();
  const random_stream r(5);
  std::vector<double> values;
  {
    metrics_log log(path);
    for (index_t i = 0; i < 500; ++i) {
      values.push_back(r.normal(static_cast<std::uint64_t>(i)) *
                       std::pow(10, static_cast<double>(i % 600) - 300));
      log.write(i, {{"v", values.back()}});
    }
  }
  const auto all = read_metrics(path);
  REQUIRE(all.size() == values.size());
  for (std::size_t i = 0; i < all.size(); ++i) REQUIRE(all[i].get("v") == values[i]);
}

TEST_CASE("metrics_log: a resumed run writes no step twice") {
  const folder f;
  const std::string path = (f / "m").string(), whole = (f / "w").string();
  {
    metrics_log log(whole), lost(path);
    for (index_t s = 1; s <= 20; ++s) log.write(s, {{"loss", 1.0 / static_cast<double>(s)}});
    for (index_t s = 1; s <= 13; ++s) lost.write(s, {{"loss", 1.0 / static_cast<double>(s)}});
  }
  data_test::write(path, data_test::read(path) + "{\"step\":14,\"lo");  // killed while writing
  {
    metrics_log log(path, 10);
    for (index_t s = 11; s <= 20; ++s) log.write(s, {{"loss", 1.0 / static_cast<double>(s)}});
  }
  CHECK(data_test::read(path) == data_test::read(whole));
  { metrics_log fresh(path); }
  CHECK(data_test::read(path).empty());
  { metrics_log missing((f / "new").string(), 7); }
  CHECK(data_test::read(f / "new").empty());
}

TEST_CASE("metrics: mistakes are named") {
  const folder f;
  const std::string path = (f / "m").string();
  CHECK(mentions(message_of([&] { read_metrics(path); }), "cannot open", path));
  data_test::write(path, "{\"step\":1}\n{\"step\":}\n");
  CHECK(mentions(message_of([&] { read_metrics(path); }), path + ":2", "not valid JSON"));
  CHECK(mentions(message_of([&] { metrics_log(path, 5); }), path + ":2"));
  data_test::write(path, "{\"loss\":1}\n");
  CHECK(mentions(message_of([&] { read_metrics(path); }), path + ":1: \"step\" is missing"));
  data_test::write(path, "{\"step\":1,\"loss\":\"high\"}\n");
  CHECK(mentions(message_of([&] { read_metrics(path); }),
                 ":1: \"loss\" is \"high\", expected a number"));
  metrics_log log(path);
  log.write(4, {{"x", 1}});
  CHECK(mentions(message_of([&] { log.write(3, {{"x", 1}}); }), "step 3 after step 4"));
  CHECK(mentions(message_of([&] { log.write(5, {{"step", 1}}); }), "a number named \"step\""));
  CHECK(mentions(message_of([&] { metrics_log((f / "no/folder/m").string()); }), "no/folder"));
}
