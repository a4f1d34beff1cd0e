// Sealed objects in memory, by id.
#pragma once

#include <map>

#include "common/base/error.h"
#include "common/snapshot/opener.h"

namespace holdfast::cli::test {

class FakeFetcher final : public ChunkFetcher {
 public:
  absl::StatusOr<std::vector<Bytes>> Fetch(const DomainId&,
                                           const std::vector<ChunkId>& ids) override {
    std::vector<Bytes> result;
    for (const ChunkId& id : ids) {
      const auto found = objects.find(id);
      if (found == objects.end()) {
        return Error(ErrorKind::kIntegrity, 5001, "chunk '" + id.hex() + "' is missing");
      }
      result.push_back(found->second);
    }
    return result;
  }
  absl::StatusOr<Bytes> FetchEnvelope(const DomainId&, const KeyId&) override {
    return Error(ErrorKind::kNotFound, 5002, "no such envelope");
  }
  std::map<ChunkId, Bytes> objects;
};

}  // namespace holdfast::cli::test
