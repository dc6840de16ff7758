// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Text out of HTML and manual pages, and that no input breaks the converters.

#include "markup.hpp"

#include "catch.hpp"

#include <dsr1/core/random.hpp>

using namespace seed;

TEST_CASE("html: paragraphs, entities, lists, preformatted text") {
  CHECK(html_to_text(
            "<html><head><title>no</title></head><body><h1>A  title</h1><p>One\ntwo &amp; "
            "<b>three</b>.</p>"
            "<ul><li>a</li><li>b &lt;c&gt;</li></ul><pre>x  y\n  z</pre>end</body></html>") ==
        "A title\n\nOne two & three.\n\n- a\n- b <c>\n\nx  y\n  z\n\nend\n");
  CHECK(html_to_text("caf&eacute; &#8364; &#x20AC; &nosuch; & &#0;") ==
        "caf\u00e9 \u20ac \u20ac &nosuch; & \uFFFD");
}

TEST_CASE("html: navigation, scripts and comments are left out") {
  CHECK(html_to_text("a<script>if (x < 1) y();</script>b<!-- no <p> -->c") == "abc");
  CHECK(html_to_text("<div class=\"x navheader\"><div>no</div>no</div><div id='main'>yes</div>") ==
        "yes\n");
  CHECK(html_to_text("<page><info><credit>no</credit></info><title>T</title><p>x</p></page>") ==
        "T\n\nx\n\n");
}

TEST_CASE("html: broken input ends") {
  for (const char* s :
       {"<", "<a", "<a href=\"", "<!--", "<!", "<div class=\"navheader\"><div>", "&", "&#", "&#x;",
        "</", "<>", "<p class=", "<p class=\">", "<pre", "</pre></pre>x"})
    CHECK(html_to_text(s).size() <= 8);
}

TEST_CASE("roff: a manual page") {
  CHECK(roff_to_text(".\\\" comment\n.TH LS 1 2024\n.SH NAME\nls \\- list\n.SH "
                     "DESCRIPTION\nOne\n.B two\nthree.\n.PP\n"
                     ".BR open (2)\n.TP\n.I \\-a\nall\n.nf\n x  y\n  z\n.fi\nend") ==
        "LS(1)\n\nNAME\nls - list\n\nDESCRIPTION\nOne two three.\n\nopen(2)\n\n-a\nall\n x  y\n  "
        "z\nend\n");
}

TEST_CASE("roff: escapes") {
  CHECK(roff_to_text("a\\fBb\\fP\\(aqc\\(aq \\[u00E9] \\e \\& \\s-1D\\s0 \\*(lqq\\*(rq \\h'1'x") ==
        "ab'c' \u00e9 \\  D \u201cq\u201d x\n");
  CHECK(roff_to_text(".B \"two words\" \"a\"\"b\"\n.de XX\nno\n..\nyes") == "two words a\"b yes\n");
}

TEST_CASE("markup: random input never breaks") {
  const dsr1::random_stream r(4);
  const std::string alphabet = "<>&;#x\"'/=.!- \n\\f(*[]abTHSPBeds0\t{}";
  std::uint64_t at = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string s;
    for (std::uint64_t n = r.below(at++, 40); n > 0; --n, ++at)
      s += alphabet[r.below(at, alphabet.size())];
    REQUIRE(html_to_text(s).size() <= 4 * s.size() + 8);
    REQUIRE(roff_to_text(s).size() <= 4 * s.size() + 8);
  }
}
