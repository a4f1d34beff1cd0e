// Takes backups from agents: the service holdfast.v1.Ingest.
//
// Hides:      the stream and its messages, and the acknowledgements of DESIGN 6.
// Invariants: I1  STORED(n) is sent after the first n objects are synced and in the catalog.
//             I2  COMMITTED is sent after record and reference list are durable and the catalog
//                 transaction is done.
//             I3  A session reads and writes nothing outside its agent's domain; at most one
//                 session per source, and no more bytes than the agent's quota (quotas.h).
//             I4  The objects of all sessions that are not written yet take kQueueBytes at most,
//                 and each session one message beyond that and one that arrives (of one session:
//                 session_work.h).
// Threading:  a gRPC thread per stream, and one worker of its own.
#pragma once

#include <memory>

#include "common/env/env.h"
#include "common/rate/rate_limit.h"
#include "controller/access/access.h"
#include "controller/catalog/catalog.h"
#include "controller/quota/quotas.h"
#include "controller/store/store.h"

namespace grpc {
class Service;
}

namespace holdfast::ingest {

inline constexpr std::size_t kQueueBytes = 64u << 20;
inline constexpr int kMaxSessionsPerAgent = 4;

// All references must outlive the service. `limit` is for all sessions together, in the order in
// which their messages come: none of them gets more than the others.
std::unique_ptr<grpc::Service> MakeIngestService(Env env, catalog::Catalog& catalog,
                                                 store::Store& store, const access::Access& access,
                                                 RateLimit& limit, quota::Quotas& quotas);

}  // namespace holdfast::ingest
