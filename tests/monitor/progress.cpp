// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The bar fits its terminal, a log is not flooded, speeds are right.

#include <algorithm>
#include <sstream>

#include "catch.hpp"

#include <dsr1/monitor/progress.hpp>

using namespace dsr1;

namespace {

struct run {
  double now = 100;
  std::ostringstream out;
  progress_options options(index_t total, std::string title = "train") {
    progress_options o;
    o.title = std::move(title);
    o.total = total;
    o.clock = [this] { return now; };
    return o;
  }
};

index_t lines(const std::string& s) { return std::count(s.begin(), s.end(), '\n'); }

}  // namespace

TEST_CASE("progress: a log line has everything") {
  run r;
  progress p(r.out, {}, r.options(1000));
  r.now += 2;
  p.update({.done = 10, .amount = 20480, .loss = 3.25, .note = "MaxVio 0.41"});
  CHECK(r.out.str() == "train 10/1000 (1%)  loss 3.250  10.2k tok/s  ETA 3:18  MaxVio 0.41\n");
}

TEST_CASE("progress: what is unknown is left out") {
  run r;
  progress p(r.out, {}, r.options(4, "read"));
  p.update({.done = 1});
  r.now += 10;
  p.update({.done = 4});
  CHECK(r.out.str() == "read 1/4 (25%)\nread 4/4 (100%)\n");
}

TEST_CASE("progress: a log is not flooded, and has its last line") {
  run fast;
  {
    progress p(fast.out, {}, fast.options(100000));
    for (index_t s = 1; s <= 100000; ++s) {
      fast.now += 1e-4;  // ten seconds in all
      p.update({.done = s, .amount = 1});
    }
  }
  CHECK(lines(fast.out.str()) == 3);
  CHECK(mentions(fast.out.str(), "100000/100000 (100%)"));
  run slow;
  {
    progress p(slow.out, {}, slow.options(100000));
    for (index_t s = 1; s <= 100000; ++s) {
      slow.now += 60;  // ten weeks
      p.update({.done = s, .amount = 1});
    }
  }
  CHECK(lines(slow.out.str()) <= 202);
  CHECK(lines(slow.out.str()) >= 190);
}

TEST_CASE("progress: the bar is redrawn in its line and never wider than the terminal") {
  for (const bool unicode : {false, true})
    for (const int columns : {1, 10, 40, 80, 200}) {
      run r;
      {
        progress p(r.out,
                   {.interactive = true, .columns = columns, .colours = 0, .unicode = unicode},
                   r.options(50));
        for (index_t s = 1; s <= 50; ++s) {
          r.now += 1;
          p.update({.done = s, .amount = 1000, .loss = 2, .note = "gr\xC3\xBC\xC3\x9F"});
        }
      }
      const std::string out = r.out.str();
      CHECK(lines(out) == 1);
      CHECK(out.back() == '\n');
      std::istringstream parts(out);
      for (std::string part; std::getline(parts, part, '\r');) {
        const std::size_t end = part.find("\x1b[K");
        if (end != std::string::npos)
          REQUIRE(display_width(part.substr(0, end)) < std::max(columns, 1));
      }
      if (columns == 80) CHECK(mentions(out, unicode ? "\u2501" : "###", "50/50", "loss 2.000"));
    }
}

TEST_CASE("progress: the bar is drawn at most every tenth of a second") {
  run r;
  progress p(r.out, {.interactive = true}, r.options(1000));
  for (index_t s = 1; s < 1000; ++s) {
    r.now += 0.001;
    p.update({.done = s});
  }
  const std::string out = r.out.str();
  CHECK(std::count(out.begin(), out.end(), '\r') <= 12);
}

TEST_CASE(
    "progress: speed and ETA follow the last seconds, and a resumed job counts its own steps") {
  run r;
  progress_options o = r.options(1000);
  o.begin = 500;
  progress p(r.out, {}, o);
  for (index_t s = 501; s <= 600; ++s) {
    r.now += 1;
    p.update({.done = s, .amount = 100});
  }
  for (index_t s = 601; s <= 800; ++s) {
    r.now += 0.5;
    p.update({.done = s, .amount = 100});
  }
  const std::string out = r.out.str();
  const std::string last = out.substr(out.rfind("train", out.size() - 2));
  CHECK(mentions(last, "200 tok/s"));
  CHECK(mentions(out.substr(0, out.find('\n')), "501/1000", "ETA 8:19"));
}

TEST_CASE("progress: messages between") {
  run r;
  {
    progress p(r.out, {.interactive = true}, r.options(10));
    p.update({.done = 1});
    p.say("saved");
  }
  CHECK(mentions(r.out.str(), "\r\x1b[Ksaved\n"));
  run log;
  {
    progress p(log.out, {}, log.options(10));
    p.say("saved");
  }
  CHECK(log.out.str() == "saved\n");
}

TEST_CASE("progress: what it refuses") {
  run r;
  progress_options o = r.options(10);
  o.begin = 11;
  CHECK(mentions(message_of([&] { progress(r.out, {}, o); }), "begins at 11 of 10"));
}
