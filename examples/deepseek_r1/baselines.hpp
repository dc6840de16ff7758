// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a model has to beat on the held-out text, in bits per byte.
#pragma once

#include <string>

#include <dsr1/data/manifest.hpp>

namespace seed {

/// Bits per byte of the held-out text, all over the same bytes: the cleaned UTF-8 of the held-out
/// documents, one after the other, nothing between them (`held_out.bytes` of the manifest).
///
///     gzip_9, xz_9  8 x the compressed size / bytes; the program compresses all documents as one
///                   stream, so it may use earlier held-out documents, and has seen no training
///                   text
///     unigram       the tokens of each document and its end-of-document token, coded by their
///                   frequencies in the training split, plus one each: what a model gets without
///                   context
///
/// A language model's figure is its summed loss over the same targets as `unigram` in nats, over
/// ln 2 and the bytes; it pays for the ends of the documents, which the compressors are not told.
/// A compressor that is not installed becomes null. The tokens are decoded and must give
/// `held_out.bytes` bytes: throws dsr1::error otherwise, and when the split is empty.
dsr1::json measure_baselines(const dsr1::data_manifest& manifest);

/// The figures in the manifest as a table.
std::string baselines_table(const dsr1::data_manifest& manifest);

}  // namespace seed
