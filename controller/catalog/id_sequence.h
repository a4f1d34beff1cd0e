// Chunk ids in order, held or read anew each time: a commit may have more than one wants to hold.
//
// Threading: as what it reads.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "common/base/bytes.h"
#include "common/base/error.h"

namespace holdfast::catalog {

class IdSequence {
 public:
  using Visit = absl::FunctionRef<absl::Status(const ChunkId&)>;
  using Walk = std::function<absl::Status(Visit)>;  // every id, until one is refused

  IdSequence() = default;
  IdSequence(std::uint64_t size, Walk walk) : size_(size), walk_(std::move(walk)) {}
  IdSequence(std::vector<ChunkId> ids)  // NOLINT(google-explicit-constructor)
      : size_(ids.size()), walk_([ids = std::move(ids)](Visit visit) {
          for (const ChunkId& id : ids) RETURN_IF_ERROR(visit(id));
          return absl::OkStatus();
        }) {}

  std::uint64_t size() const { return size_; }
  absl::Status ForEach(Visit visit) const { return walk_ ? walk_(visit) : absl::OkStatus(); }

 private:
  std::uint64_t size_ = 0;
  Walk walk_;
};

}  // namespace holdfast::catalog
