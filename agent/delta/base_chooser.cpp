#include "agent/delta/base_chooser.h"

#include <algorithm>

namespace holdfast::delta {
namespace {

constexpr std::uint32_t kAmbiguous = 0xffffffff;

void AddEdge(std::uint64_t edge, std::uint32_t index,
             absl::flat_hash_map<std::uint64_t, std::uint32_t>* edges) {
  const auto [place, added] = edges->emplace(edge, index);
  // Zeros, or a header that every file has: it says nothing about the place.
  if (!added) place->second = kAmbiguous;
}

std::optional<std::uint32_t> FindEdge(
    std::uint64_t edge, const absl::flat_hash_map<std::uint64_t, std::uint32_t>& edges) {
  const auto found = edges.find(edge);
  if (found == edges.end() || found->second == kAmbiguous) return std::nullopt;
  return found->second;
}

// A candidate and its share of the new chunk.
struct Weighed {
  Base base;
  double weight = 0;  // bytes of the new chunk that lie over it
  std::size_t order = 0;
  double best_overlap = 0;
  std::uint64_t chunk_at = 0;  // the middle of the best overlap
  std::uint64_t base_at = 0;
  bool base_at_is_known = true;
};

// Where an old chunk lies under the new one.
struct Overlap {
  double bytes = 0;
  std::uint64_t chunk_at = 0;  // its middle
  std::uint64_t old_at = 0;
};

void AddShares(const KnownChunk& old, const Overlap& overlap, std::vector<Weighed>* found) {
  const std::vector<Base> self = old.is_delta() ? old.bases : std::vector<Base>{old.AsBase()};
  const double weight = overlap.bytes / static_cast<double>(self.size());
  for (const Base& base : self) {
    auto one = std::find_if(found->begin(), found->end(),
                            [&](const Weighed& other) { return other.base.id == base.id; });
    if (one == found->end()) {
      one = found->insert(found->end(), Weighed{base, 0, found->size()});
    }
    one->weight += weight;
    if (weight <= one->best_overlap) continue;
    one->best_overlap = weight;
    one->chunk_at = overlap.chunk_at;
    one->base_at = overlap.old_at;
    one->base_at_is_known = self.size() == 1;
  }
}

// At most kMaxBases with the largest shares, in the order of the stream.
std::vector<Weighed> Best(std::vector<Weighed> found, std::size_t window_bytes) {
  std::stable_sort(found.begin(), found.end(),
                   [](const Weighed& a, const Weighed& b) { return a.weight > b.weight; });
  std::vector<Weighed> kept;
  for (const Weighed& one : found) {
    if (kept.size() == kMaxBases) break;
    if (one.base.plain_bytes == 0 || window_bytes + one.base.plain_bytes > kMaxWindowBytes) {
      continue;
    }
    window_bytes += one.base.plain_bytes;
    kept.push_back(one);
  }
  std::sort(kept.begin(), kept.end(),
            [](const Weighed& a, const Weighed& b) { return a.order < b.order; });
  return kept;
}

BaseChoice ChoiceOf(const std::vector<Weighed>& kept, double chunk_bytes) {
  BaseChoice choice;
  std::uint64_t plain = 0;
  std::uint64_t stored = 0;
  double largest = 0;
  for (const Weighed& one : kept) {
    if (one.weight > largest) {
      largest = one.weight;
      choice.likely_base = choice.bases.size();
      choice.chunk_at = one.chunk_at;
      choice.base_at = one.base_at;
      choice.base_at_is_known = one.base_at_is_known;
    }
    choice.bases.push_back(one.base);
    if (one.base.stored_bytes == 0) continue;
    plain += one.base.plain_bytes;
    stored += one.base.stored_bytes;
  }
  if (plain > 0) {
    choice.expected_plain_bytes = static_cast<std::size_t>(
        chunk_bytes * static_cast<double>(stored) / static_cast<double>(plain));
  }
  return choice;
}

}  // namespace

BaseChooser::BaseChooser(const DeltaState& state) : chunks_(state.chunks()) {
  begins_.reserve(chunks_.size() + 1);
  std::uint64_t at = 0;
  for (std::uint32_t i = 0; i < chunks_.size(); ++i) {
    const KnownChunk& chunk = chunks_[i];
    begins_.push_back(at);
    at += chunk.plain_bytes;
    by_id_.emplace(chunk.id, i);
    if (chunk.plain_bytes < kEdgeBytes) continue;
    AddEdge(chunk.first_edge, i, &by_first_edge_);
    AddEdge(chunk.last_edge, i, &by_last_edge_);
  }
  begins_.push_back(at);
}

BaseChooser::Edges BaseChooser::ByEdges(ByteView plaintext) const {
  if (plaintext.size() < kEdgeBytes) return {};
  const auto first = FindEdge(FirstEdge(plaintext), by_first_edge_);
  const auto last = FindEdge(LastEdge(plaintext), by_last_edge_);
  const std::uint64_t size = plaintext.size();
  if (first && last) {
    const Range both{begins_[*first], begins_[*last + 1]};
    // Else one of them was copied from elsewhere.
    if (both.begin < both.end && both.end - both.begin <= 2 * size) return {both, true};
  }
  if (first) return {Range{begins_[*first], begins_[*first] + size}, false};
  if (last) {
    const std::uint64_t end = begins_[*last + 1];
    return {Range{end - std::min(end, size), end}, false};
  }
  return {};
}

BaseChoice BaseChooser::Overlapping(const Range& range, std::size_t chunk_bytes,
                                    bool has_edge) const {
  std::vector<Weighed> found;
  std::size_t index = static_cast<std::size_t>(
      std::upper_bound(begins_.begin(), begins_.end(), range.begin) - begins_.begin());
  double covered = 0;
  double spent = 0;
  for (index = index == 0 ? 0 : index - 1; index < chunks_.size() && begins_[index] < range.end;
       ++index) {
    const KnownChunk& old = chunks_[index];
    const std::uint64_t begin = std::max(range.begin, begins_[index]);
    const std::uint64_t end = std::min(range.end, begins_[index + 1]);
    if (begin >= end) continue;
    const std::uint64_t middle = (begin + end) / 2;
    const Overlap overlap{static_cast<double>(end - begin), middle - range.begin,
                          middle - begins_[index]};
    covered += overlap.bytes;
    spent += overlap.bytes * static_cast<double>(old.spent_bytes) / old.plain_bytes;
    AddShares(old, overlap, &found);
  }
  if (covered == 0) return {};
  const auto size = static_cast<double>(chunk_bytes);
  BaseChoice choice = ChoiceOf(Best(std::move(found), chunk_bytes), size);
  choice.spent_bytes = static_cast<std::uint64_t>(spent / covered * size);
  choice.has_edge = has_edge;
  return choice;
}

BaseChoice BaseChooser::Cursor::Next(const ChunkId& id, ByteView plaintext) {
  const auto& chooser = chooser_;
  if (const auto known = chooser.by_id_.find(id); known != chooser.by_id_.end()) {
    end_ = chooser.begins_[known->second + 1];
    end_is_sure_ = true;
    return {};
  }
  const std::size_t size = plaintext.size();
  const Edges edges = chooser.ByEdges(plaintext);
  std::optional<Range> place;
  if (!edges.both) place = Range{end_, end_ + size};
  const bool disagree =
      edges.range && place && (edges.range->begin > place->end || place->begin > edges.range->end);
  const bool by_edges = edges.range && (!disagree || !end_is_sure_);
  const Range& range = by_edges ? *edges.range : *place;
  end_ = range.end;
  end_is_sure_ = edges.both || (edges.range && place && !disagree) || (end_is_sure_ && !by_edges);
  if (size < kMinDeltaBytes) return {};
  BaseChoice choice = chooser.Overlapping(range, size, by_edges);
  if (!disagree) return choice;
  BaseChoice other = chooser.Overlapping(by_edges ? *place : *edges.range, size, !by_edges);
  if (choice.bases.empty()) return other;
  if (!other.bases.empty()) choice.others.push_back(std::move(other));
  return choice;
}

bool ShouldRebase(const ChunkId& id, const BaseChoice& choice) {
  if (choice.spent_bytes == 0) return false;
  std::uint64_t plain = choice.expected_plain_bytes;
  if (plain == 0) {
    for (const Base& base : choice.bases) plain += base.plain_bytes / choice.bases.size();
  }
  const auto spread = static_cast<unsigned char>(id.data()[0]) & 127;  // 0.75 … 1.25
  return choice.spent_bytes * 256 > plain * (192u + spread);
}

}  // namespace holdfast::delta
