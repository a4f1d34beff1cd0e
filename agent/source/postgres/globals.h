// Roles, memberships and tablespaces of the whole cluster, as far as the role may read them.
// Threading: blocking, one session. Errors: of the session; what is not readable is a note.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/source/postgres/dump_program.h"
#include "agent/source/postgres/session.h"

namespace holdfast::source {

struct Globals {
  std::string sql;
  std::vector<std::string> notes;  // what was not taken
};

absl::StatusOr<Globals> ReadGlobals(PgSession& session, const PostgresConnection& connection,
                                    const DumpProgram& program, std::stop_token stop);

}  // namespace holdfast::source
