// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// SentencePiece scores, written as ranks of merges.

#include "tokenizer_json.hpp"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/io/json.hpp>

namespace seed {
namespace {

/// Every way to make a piece of two others, the best piece first: SentencePiece joins whatever
/// makes a piece, so all of them are merges.
dsr1::json merges_of(const sentencepiece::SentencePieceProcessor& model) {
  std::unordered_map<std::string_view, int> ids;
  for (int id = 0; id < model.GetPieceSize(); ++id)
    if (!model.IsControl(id) && !model.IsUnknown(id) && !model.IsByte(id) && !model.IsUnused(id))
      ids.emplace(model.IdToPiece(id), id);
  std::vector<std::tuple<float, int, int, int>> merges;  // by score, piece, and parts
  for (const auto& [piece, id] : ids) {
    for (std::size_t cut = 1; cut < piece.size(); ++cut) {
      if ((static_cast<unsigned char>(piece[cut]) & 0xC0) == 0x80) continue;
      const auto left = ids.find(piece.substr(0, cut)), right = ids.find(piece.substr(cut));
      if (left != ids.end() && right != ids.end())
        merges.emplace_back(-model.GetScore(id), id, left->second, right->second);
    }
  }
  std::sort(merges.begin(), merges.end());
  dsr1::json out = dsr1::json::array();
  for (const auto& [score, id, left, right] : merges)
    out.push_back({model.IdToPiece(left), model.IdToPiece(right)});
  return out;
}

dsr1::json replace(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

}  // namespace

std::string tokenizer_json(const std::string& content, const std::string& source) {
  sentencepiece::SentencePieceProcessor model;
  const auto status = model.LoadFromSerializedProto(content);
  dsr1::expects(status.ok(), source, " is no SentencePiece model: ", status.ToString());
  dsr1::json vocab = dsr1::json::object(), added = dsr1::json::array();
  for (int id = 0; id < model.GetPieceSize(); ++id) {
    vocab[model.IdToPiece(id)] = id;
    if (model.IsControl(id) || model.IsUnknown(id))
      added.push_back({{"id", id},
                       {"content", model.IdToPiece(id)},
                       {"special", true},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false}});
  }
  const dsr1::json lines = {{"type", "Split"},
                            {"pattern", {{"Regex", "[^\\n]*\\n+|[^\\n]+"}}},
                            {"behavior", "Isolated"},
                            {"invert", false}};
  const dsr1::json file = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", replace(" ", "\u2581")},
      {"pre_tokenizer", lines},
      {"post_processor", nullptr},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders", {replace("\u2581", " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", model.IdToPiece(model.unk_id())},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"ignore_merges", false},
        {"vocab", vocab},
        {"merges", merges_of(model)}}}};
  return file.dump() + "\n";
}

}  // namespace seed
