#include "agent/source/transient.h"

#include "absl/strings/cord.h"

namespace holdfast::source {
namespace {

constexpr char kTransientUrl[] = "holdfast/transient";

}  // namespace

absl::Status MarkTransient(absl::Status status) {
  if (!status.ok()) status.SetPayload(kTransientUrl, absl::Cord("1"));
  return status;
}

bool IsTransient(const absl::Status& status) {
  return status.GetPayload(kTransientUrl).has_value();
}

}  // namespace holdfast::source
