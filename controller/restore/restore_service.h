// Reading the store over gRPC: the service holdfast.v1.Restore. Ciphertext only.
//
// Invariants: I1  An agent reads its own domain, and the domain of a source that an unfinished job
//                 of its names. What it may not read looks like what does not exist.
//             I2  An object is sent only when its header names the chunk asked for; one that does
//                 not is marked BAD.
// Threading:  a gRPC thread per call.
#pragma once

#include <memory>

#include "controller/access/access.h"
#include "controller/control/job_board.h"
#include "controller/store/store.h"

namespace grpc {
class Service;
}

namespace holdfast::restore_service {

std::unique_ptr<grpc::Service> MakeRestoreService(catalog::Catalog& catalog, store::Store& store,
                                                  const access::Access& access,
                                                  const control::JobBoard& board);

}  // namespace holdfast::restore_service
