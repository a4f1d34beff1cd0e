// Retention, trash and collection as operators ask for them, over the collector. `by` is who asks.
// Threading: any. Errors: of collector and catalog.
#pragma once

#include "controller/operator/operator_service.h"

namespace holdfast::v1 {
class CollectGarbageReply;
class CollectGarbageRequest;
class ForgetSnapshotsReply;
class ForgetSnapshotsRequest;
class ListTrashReply;
class Retention;
class SetRetentionRequest;
class UndeleteSnapshotRequest;
}  // namespace holdfast::v1

namespace holdfast::operator_service {

absl::Status FillRetention(const OperatorServiceOptions& options, const Bytes& source,
                           v1::Retention* out);
absl::Status SetRetention(const OperatorServiceOptions& options,
                          const v1::SetRetentionRequest& request, const std::string& by,
                          v1::Retention* out);
absl::Status Forget(const OperatorServiceOptions& options,
                    const v1::ForgetSnapshotsRequest& request, const std::string& by,
                    v1::ForgetSnapshotsReply* out);
absl::Status Undelete(const OperatorServiceOptions& options,
                      const v1::UndeleteSnapshotRequest& request, const std::string& by);
absl::Status FillTrash(const OperatorServiceOptions& options, v1::ListTrashReply* out);
absl::Status Collect(const OperatorServiceOptions& options,
                     const v1::CollectGarbageRequest& request, const std::string& by,
                     v1::CollectGarbageReply* out);

}  // namespace holdfast::operator_service
