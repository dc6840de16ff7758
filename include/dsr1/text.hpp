// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Everything of the component text: published tokenizers.
#pragma once

#include <dsr1/text/added_tokens.hpp>
#include <dsr1/text/bpe.hpp>
#include <dsr1/text/byte_level.hpp>
#include <dsr1/text/merge_cuts.hpp>
#include <dsr1/text/merge_word.hpp>
#include <dsr1/text/nfc.hpp>
#include <dsr1/text/normalizer.hpp>
#include <dsr1/text/pair_table.hpp>
#include <dsr1/text/post_processor.hpp>
#include <dsr1/text/pre_tokenizer.hpp>
#include <dsr1/text/regex.hpp>
#include <dsr1/text/regex_syntax.hpp>
#include <dsr1/text/replace.hpp>
#include <dsr1/text/steps.hpp>
#include <dsr1/text/token_decoder.hpp>
#include <dsr1/text/tokenizer.hpp>
#include <dsr1/text/tokenizer_file.hpp>
#include <dsr1/text/unicode_version.hpp>
#include <dsr1/text/utf8.hpp>
#include <dsr1/text/vocabulary.hpp>
