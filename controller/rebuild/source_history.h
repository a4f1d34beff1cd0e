// The snapshots of one source as its files tell them: which records are whole and signed, and which
// set of chunks each references.
//
// Hides:      signatures, hashes, chains of reference lists, what a damaged list costs.
// Invariants: a record that is returned was signed by an agent of its domain, unless the agent's
//             identity itself is damaged; a set is exact or said to be unknown, never guessed.
// Threading:  one thread.
// Errors:     of the catalog; damage is a Finding.
#pragma once

#include <map>
#include <optional>

#include "common/format/record.h"
#include "common/format/trust.h"
#include "controller/rebuild/rebuild.h"
#include "controller/rebuild/store_walk.h"

namespace holdfast::rebuild {

struct KnownAgent {
  AgentIdentity identity;
  bool verified = false;  // under the owner's key
  bool removed = false;
};

class SourceHistory {
 public:
  SourceHistory(FileSystem& fs, std::string root, const SourceId& source, SourceFiles files)
      : fs_(fs), root_(std::move(root)), source_(source), files_(std::move(files)) {}

  // Reads every record. False: none is usable, and the source is left out.
  bool ReadRecords(const std::vector<KnownAgent>& agents, std::vector<Finding>* damage);
  const AgentId& agent() const { return agent_; }  // who signed the newest record
  std::uint64_t newest_taken_at_ms() const;

  // Writes source, snapshots and sets. Needs every pack to be added before.
  absl::Status Build(catalog::CatalogBuilder& builder, RebuildReport* report) const;

 private:
  struct Known {
    RecordClear clear;
    Hash256 hash;
  };
  absl::StatusOr<Known> ReadRecord(std::uint64_t seq, const std::vector<KnownAgent>& agents,
                                   AgentId* signer) const;
  absl::StatusOr<bool> ApplyList(catalog::CatalogBuilder& builder, std::uint64_t seq,
                                 const Known* record, std::uint64_t exact_seq,
                                 std::vector<Finding>* damage) const;
  catalog::FoundSnapshot Describe(const Known& record, RebuildReport* report) const;
  void CheckEnvelopes(const Known& record, RebuildReport* report) const;

  FileSystem& fs_;
  const std::string root_;
  const SourceId source_;
  const SourceFiles files_;
  AgentId agent_;
  std::map<std::uint64_t, Known> records_;
};

}  // namespace holdfast::rebuild
