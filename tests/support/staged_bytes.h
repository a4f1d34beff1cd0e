// A document that is staged for a store, from bytes.
#pragma once

#include <memory>

#include "common/base/error.h"
#include "controller/store/store.h"

namespace holdfast {

inline absl::StatusOr<std::unique_ptr<store::StagedDocument>> StageBytes(store::Store& store,
                                                                         ByteView bytes) {
  ASSIGN_OR_RETURN(auto document, store.Stage());
  RETURN_IF_ERROR(document->Append(bytes));
  return document;
}

inline absl::Status PutRecord(store::Store& store, const SourceId& source, std::uint64_t seq,
                              ByteView record, ByteView references) {
  ASSIGN_OR_RETURN(const auto staged, StageBytes(store, references));
  return store.PutRecord(source, seq, record, *staged);
}

}  // namespace holdfast
