// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Our tokenizer as the tokenizer.json that other programs read.
#pragma once

#include <string>

namespace seed {

/// A SentencePiece model of ours (the content of its file) as a tokenizer.json: byte-pair merges
/// with byte fallback, blanks as U+2581, one word per line with the line ends after it. `source`
/// names the model in errors.
///
/// It gives the ids of `tokenizer::encode`, with two exceptions that the format has no words for: a
/// U+2581 that stands in a text becomes a blank, and the names of control symbols in a text become
/// these symbols unless the reader is told to take them as text.
std::string tokenizer_json(const std::string& model, const std::string& source);

}  // namespace seed
