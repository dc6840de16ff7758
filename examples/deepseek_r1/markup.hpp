// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Plain text out of the two kinds of markup that documentation comes in. Simple on purpose: good
// enough to learn from, not to print.
#pragma once

#include <string>
#include <string_view>

namespace seed {

/// HTML, XHTML and Mallard pages: tags removed, entities decoded, one line for each paragraph,
/// preformatted text kept, scripts and navigation left out.
std::string html_to_text(std::string_view html);

/// Manual pages (man and mdoc macros): one line for each paragraph, examples kept as they are.
std::string roff_to_text(std::string_view roff);

/// A code point as UTF-8; U+FFFD for what is none.
std::string utf8_of(unsigned long code_point);

}  // namespace seed
