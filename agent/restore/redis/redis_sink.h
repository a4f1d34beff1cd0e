// Brings a Redis snapshot back: as an RDB file, or into a running empty server.
//
// A file is written beside its name, synced, read back and checked (structure, checksum, keys of
// every database), and only then given its name. A server gets every key by RESTORE with its
// absolute expiry, then the functions, then its key counts are compared with the manifest.
// Hides:      the two forms of snapshot, RDB records as RESTORE arguments, clean-up.
// Invariants: I1  An existing file and a server that holds keys or functions are refused before
//                 anything changes; so is an RDB newer than the server reads.
//             I2  After an error the file is absent, and the server is empty again, unless somebody
//                 else wrote to it meanwhile: then nothing is removed, and the error says so.
//             I3  Keys may be missing only because their time to live has passed by the target's
//                 clock; they are counted in a warning.
//             I4  Settings of the target are never changed; accounts only with apply_acl.
// Threading:  one call at a time per target. Errors: kRefused, kIntegrity, kSource, codes 32xx.
#pragma once

#include "agent/restore/restore_report.h"
#include "agent/source/redis/redis_connection.h"
#include "common/env/env.h"

namespace holdfast::restore {

struct RedisRestoreOptions {
  std::string rdb_file;      // the file to write, or
  bool into_server = false;  // the running server at `server`
  redis::RedisAddress server;
  bool apply_acl = false;  // set up the accounts of the snapshot, with their password hashes
};

absl::StatusOr<RestoreReport> RestoreRedis(Env env, const SnapshotView& view,
                                           const RedisRestoreOptions& options,
                                           RestoreProgress& progress, std::stop_token stop);

}  // namespace holdfast::restore
