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

struct Weighed {
  Base base;
  double weight = 0;  // bytes of the new chunk that lie over it
  std::size_t order = 0;
};

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

std::optional<BaseChooser::Range> BaseChooser::ByEdges(ByteView plaintext) const {
  if (plaintext.size() < kEdgeBytes) return std::nullopt;
  const auto first = FindEdge(FirstEdge(plaintext), by_first_edge_);
  const auto last = FindEdge(LastEdge(plaintext), by_last_edge_);
  const std::uint64_t size = plaintext.size();
  if (first && last) {
    const Range both{begins_[*first], begins_[*last + 1]};
    // Else one of them was copied from elsewhere.
    if (both.begin < both.end && both.end - both.begin <= 2 * size) return both;
  }
  if (first) return Range{begins_[*first], begins_[*first] + size};
  if (last) {
    const std::uint64_t end = begins_[*last + 1];
    return Range{end - std::min(end, size), end};
  }
  return std::nullopt;
}

BaseChoice BaseChooser::Overlapping(const Range& range, std::size_t chunk_bytes) const {
  BaseChoice choice;
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
    const double overlap = static_cast<double>(end - begin);
    covered += overlap;
    spent += overlap * static_cast<double>(old.spent_bytes) / old.plain_bytes;
    const std::vector<Base> self = old.is_delta() ? old.bases : std::vector<Base>{old.AsBase()};
    for (const Base& base : self) {
      const auto same = std::find_if(found.begin(), found.end(),
                                     [&](const Weighed& one) { return one.base.id == base.id; });
      const double weight = overlap / static_cast<double>(self.size());
      if (same != found.end()) {
        same->weight += weight;
      } else {
        found.push_back({base, weight, found.size()});
      }
    }
  }
  if (covered == 0) return choice;
  std::stable_sort(found.begin(), found.end(),
                   [](const Weighed& a, const Weighed& b) { return a.weight > b.weight; });
  std::size_t window = chunk_bytes;
  std::vector<Weighed> kept;
  for (const Weighed& one : found) {
    if (kept.size() == kMaxBases) break;
    if (one.base.plain_bytes == 0 || window + one.base.plain_bytes > kMaxWindowBytes) continue;
    window += one.base.plain_bytes;
    kept.push_back(one);
  }
  std::sort(kept.begin(), kept.end(),
            [](const Weighed& a, const Weighed& b) { return a.order < b.order; });
  std::uint64_t plain = 0;
  std::uint64_t stored = 0;
  for (const Weighed& one : kept) {
    choice.bases.push_back(one.base);
    if (one.base.stored_bytes == 0) continue;
    plain += one.base.plain_bytes;
    stored += one.base.stored_bytes;
  }
  const double size = static_cast<double>(chunk_bytes);
  choice.spent_bytes = static_cast<std::uint64_t>(spent / covered * size);
  if (plain > 0) {
    choice.expected_plain_bytes =
        static_cast<std::size_t>(size * static_cast<double>(stored) / static_cast<double>(plain));
  }
  return choice;
}

BaseChoice BaseChooser::Cursor::Next(const ChunkId& id, ByteView plaintext) {
  const auto& chooser = chooser_;
  if (const auto known = chooser.by_id_.find(id); known != chooser.by_id_.end()) {
    end_ = chooser.begins_[known->second + 1];
    return {};
  }
  std::optional<Range> range = chooser.ByEdges(plaintext);
  if (!range && end_) range = Range{*end_, *end_ + plaintext.size()};
  if (!range) return {};
  end_ = range->end;
  if (plaintext.size() < kMinDeltaBytes) return {};
  return chooser.Overlapping(*range, plaintext.size());
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
