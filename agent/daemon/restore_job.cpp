#include "agent/daemon/restore_job.h"

#include <algorithm>

#include "agent/restore/files/files_sink.h"
#include "agent/restore/postgres/postgres_sink.h"
#include "agent/restore/redis/redis_sink.h"
#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

absl::Status DoesNotFit(const std::string& kind, std::string_view what, std::string hint) {
  return Error(ErrorKind::kUsage, 3008,
               fmt::format("unable to restore a snapshot of kind {}: {}", kind, what),
               std::move(hint));
}

absl::StatusOr<restore::RestoreReport> Files(const OpenedSnapshot& snapshot,
                                             const RestoreRequest& request,
                                             const RestoreServers& servers,
                                             restore::RestoreProgress& progress,
                                             std::stop_token stop) {
  if (request.target.empty() || !request.database.empty() || !request.table.empty() ||
      request.into_server || request.as_sql) {
    return DoesNotFit("files", "it needs --target DIRECTORY and nothing of a database",
                      "For example: holdfast restore uploads@latest --target /srv/restore.");
  }
  restore::FilesRestoreOptions options;
  options.target = request.target;
  options.overwrite = request.overwrite == 2   ? restore::FilesRestoreOptions::Overwrite::kAll
                      : request.overwrite == 1 ? restore::FilesRestoreOptions::Overwrite::kChanged
                                               : restore::FilesRestoreOptions::Overwrite::kRefuse;
  options.paths = request.paths;
  options.preserve_privileged = request.preserve_privileged;
  options.allow_devices = request.allow_devices;
  options.skip_bad = request.skip_bad;
  options.numeric_ids = request.numeric_ids;
  options.forbidden_roots = servers.forbidden_roots;
  return restore::RestoreFiles(*snapshot.view, options, progress, stop);
}

// "public.orders_again" beside "public.orders" means the table orders_again; the sink takes the
// bare name.
absl::StatusOr<std::string> NameInSameSchema(const std::string& table, const std::string& into) {
  const std::size_t dot = table.find('.');
  if (dot == std::string::npos || into.find('.') == std::string::npos) return into;
  const std::string schema = table.substr(0, dot + 1);
  if (into.compare(0, schema.size(), schema) == 0) return into.substr(schema.size());
  return Error(ErrorKind::kUsage, 3014,
               fmt::format("unable to restore table '{}' as '{}': it has to stay in its schema",
                           Escaped(table), Escaped(into)),
               fmt::format("Name it {}NAME.", Escaped(schema)));
}

absl::StatusOr<restore::RestoreReport> Postgres(const OpenedSnapshot& snapshot,
                                                const RestoreRequest& request,
                                                const RestoreServers& servers,
                                                restore::RestoreProgress& progress,
                                                std::stop_token stop) {
  restore::PostgresRestoreOptions options;
  if (request.as_sql) {
    if (request.target.empty()) {
      return DoesNotFit("postgres", "the SQL script has no path",
                        "For example: holdfast restore db@latest --sql /srv/restore/db.sql.");
    }
    options.sql_file = request.target;
  } else {
    const bool somewhere =
        !request.database.empty() || (!request.table.empty() && !servers.postgres_database.empty());
    if (!somewhere || !request.target.empty() || request.into_server) {
      return DoesNotFit("postgres", "it needs --database NAME or --sql FILE",
                        "For example: holdfast restore db@latest --database pos_restored.");
    }
    if (!servers.postgres) {
      return DoesNotFit(
          "postgres", "this agent has no PostgreSQL server to restore into",
          "Name an agent with a postgres source by --on, or write a script by --sql.");
    }
    options.connection = *servers.postgres;
    options.database = request.database.empty() ? servers.postgres_database : request.database;
  }
  options.table = request.table;
  ASSIGN_OR_RETURN(options.into_table, NameInSameSchema(request.table, request.into_table));
  options.no_globals = request.no_globals;
  return restore::RestorePostgres(*snapshot.view, options, progress, stop);
}

absl::StatusOr<restore::RestoreReport> Redis(Env env, const OpenedSnapshot& snapshot,
                                             const RestoreRequest& request,
                                             const RestoreServers& servers,
                                             restore::RestoreProgress& progress,
                                             std::stop_token stop) {
  if (request.into_server == !request.target.empty() || !request.database.empty() ||
      request.as_sql) {
    return DoesNotFit("redis", "it needs --rdb FILE or --into-server",
                      "For example: holdfast restore cache@latest --rdb /srv/restore/dump.rdb.");
  }
  restore::RedisRestoreOptions options;
  options.rdb_file = request.target;
  options.into_server = request.into_server;
  options.apply_acl = request.apply_acl;
  if (request.into_server) {
    if (!servers.redis) {
      return DoesNotFit("redis", "this agent has no Redis server to load it into",
                        "Name an agent with a redis source by --on, or write a file by --rdb.");
    }
    options.server = *servers.redis;
  }
  return restore::RestoreRedis(env, *snapshot.view, options, progress, stop);
}

}  // namespace

absl::StatusOr<restore::RestoreReport> RunRestore(Env env, const OpenedSnapshot& snapshot,
                                                  const RestoreRequest& request,
                                                  const RestoreServers& servers,
                                                  restore::RestoreProgress& progress,
                                                  std::stop_token stop) {
  const std::string& kind = snapshot.facts.info.kind;
  if (kind == "files") return Files(snapshot, request, servers, progress, stop);
  if (kind == "postgres") return Postgres(snapshot, request, servers, progress, stop);
  if (kind == "redis") return Redis(env, snapshot, request, servers, progress, stop);
  return DoesNotFit(Escaped(kind), "this program does not know the kind", "Use a newer release.");
}

absl::Status CheckTargetAllowed(const AgentConfig& config, const std::string& target) {
  const auto refuse = [&](std::string_view why) {
    return Error(ErrorKind::kPermission, 3009,
                 fmt::format("unable to restore into '{}': {}", Escaped(target), why),
                 fmt::format("Allowed: {}. Add the place to restore_roots in agent.yaml on that "
                             "host, or choose another target.",
                             config.restore_roots.empty()
                                 ? "nothing yet"
                                 : fmt::format("{}", fmt::join(config.restore_roots, ", "))));
  };
  if (target.empty() || target[0] != '/') return refuse("it is not an absolute path");
  if ((target + "/").find("/../") != std::string::npos) return refuse("it contains '..'");
  const std::string resolved = ResolveExistingPrefix(target);
  const bool allowed = std::any_of(
      config.restore_roots.begin(), config.restore_roots.end(), [&](const std::string& root) {
        const std::string prefix = ResolveExistingPrefix(root);
        return resolved == prefix || resolved.compare(0, prefix.size() + 1, prefix + "/") == 0;
      });
  return allowed ? absl::OkStatus() : refuse("this agent's restore_roots do not allow it");
}

}  // namespace holdfast::daemon
