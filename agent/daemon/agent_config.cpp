#include "agent/daemon/agent_config.h"

#include <set>

#include "common/base/error.h"
#include "common/config/config.h"
#include "common/config/paths.h"
#include "common/rate/rate_config.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

absl::StatusOr<std::string> ReadPassword(FileSystem& fs, const ConfigNode& node) {
  ASSIGN_OR_RETURN(const auto secret, node.Secret(fs, "password"));
  return secret ? std::string(secret->view()) : "";
}

absl::StatusOr<source::FilesOptions> ReadFiles(const ConfigNode& node, bool* device_check) {
  RETURN_IF_ERROR(node.CheckKeys({"name", "kind", "root", "include", "exclude", "one_file_system",
                                  "max_skipped", "device_check", "delta", "hooks"},
                                 {"root"}));
  source::FilesOptions options;
  ASSIGN_OR_RETURN(options.root, node.Text("root"));
  if (options.root.empty() || options.root[0] != '/') {
    return node.Find("root")->Refuse("this is not an absolute path");
  }
  ASSIGN_OR_RETURN(options.include, node.Texts("include"));
  ASSIGN_OR_RETURN(options.exclude, node.Texts("exclude"));
  ASSIGN_OR_RETURN(options.one_file_system, node.Bool("one_file_system", true));
  ASSIGN_OR_RETURN(const std::int64_t skipped,
                   node.Integer("max_skipped", 1000, {0, 1'000'000'000}));
  options.max_skipped = static_cast<std::size_t>(skipped);
  ASSIGN_OR_RETURN(*device_check, node.Bool("device_check", true));
  return options;
}

absl::StatusOr<source::PostgresOptions> ReadPostgres(FileSystem& fs, const ConfigNode& node) {
  RETURN_IF_ERROR(
      node.CheckKeys({"name", "kind", "host", "port", "database", "user", "password",
                      "password_file", "sslmode", "connection_options", "workers", "pg_dump",
                      "lock_timeout", "max_duration", "unlogged_data", "delta", "hooks"},
                     {"database"}));
  source::PostgresOptions options;
  source::PostgresConnection& connection = options.connection;
  ASSIGN_OR_RETURN(connection.host, node.Text("host", "/var/run/postgresql"));
  ASSIGN_OR_RETURN(const std::int64_t port, node.Integer("port", 5432, {1, 65535}));
  connection.port = static_cast<int>(port);
  ASSIGN_OR_RETURN(connection.database, node.Text("database"));
  ASSIGN_OR_RETURN(connection.user, node.Text("user", ""));
  ASSIGN_OR_RETURN(connection.password, ReadPassword(fs, node));
  ASSIGN_OR_RETURN(connection.sslmode, node.Text("sslmode", ""));
  ASSIGN_OR_RETURN(connection.extra, node.Text("connection_options", ""));
  ASSIGN_OR_RETURN(const std::int64_t workers, node.Integer("workers", 2, {1, 32}));
  options.workers = static_cast<int>(workers);
  ASSIGN_OR_RETURN(options.pg_dump, node.Text("pg_dump", options.pg_dump));
  ASSIGN_OR_RETURN(options.lock_timeout, node.Duration("lock_timeout", options.lock_timeout));
  ASSIGN_OR_RETURN(options.max_duration, node.Duration("max_duration", options.max_duration));
  ASSIGN_OR_RETURN(options.unlogged_data, node.Bool("unlogged_data", true));
  return options;
}

absl::StatusOr<redis::RedisOptions> ReadRedis(FileSystem& fs, const ConfigNode& node) {
  RETURN_IF_ERROR(
      node.CheckKeys({"name", "kind", "host", "port", "socket", "user", "password", "password_file",
                      "timeout", "loading_wait", "mode", "delta", "hooks"}));
  redis::RedisOptions options;
  redis::RedisAddress& address = options.address;
  ASSIGN_OR_RETURN(address.host, node.Text("host", address.host));
  ASSIGN_OR_RETURN(const std::int64_t port, node.Integer("port", address.port, {1, 65535}));
  address.port = static_cast<int>(port);
  ASSIGN_OR_RETURN(address.unix_socket, node.Text("socket", ""));
  ASSIGN_OR_RETURN(address.user, node.Text("user", ""));
  ASSIGN_OR_RETURN(address.password, ReadPassword(fs, node));
  ASSIGN_OR_RETURN(const absl::Duration timeout, node.Duration("timeout", absl::Minutes(1)));
  address.timeout_s = static_cast<int>(absl::ToInt64Seconds(timeout));
  if (address.timeout_s < 1) return node.Find("timeout")->Refuse("this is less than a second");
  ASSIGN_OR_RETURN(address.loading_wait, node.Duration("loading_wait", address.loading_wait));
  ASSIGN_OR_RETURN(const std::string mode, node.Text("mode", "auto"));
  if (mode == "psync") {
    options.mode = redis::RedisOptions::Mode::kPsync;
  } else if (mode == "scan") {
    options.mode = redis::RedisOptions::Mode::kScan;
  } else if (mode != "auto") {
    return node.Find("mode")->Refuse("this is not auto, psync or scan");
  }
  return options;
}

absl::StatusOr<SourceConfig> ReadSource(FileSystem& fs, const ConfigNode& node) {
  if (!node.IsMap()) return node.Refuse("a source must be a map with name and kind");
  SourceConfig config;
  ASSIGN_OR_RETURN(config.name, node.Text("name"));
  if (config.name.empty() || config.name.size() > 64 ||
      config.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789.-_") != std::string::npos) {
    return node.Find("name")->Refuse("this is not a usable name",
                                     "Use 1 to 64 letters, digits, '.', '-' and '_'.");
  }
  ASSIGN_OR_RETURN(const std::string kind, node.Text("kind"));
  if (kind == "files") {
    ASSIGN_OR_RETURN(config.options, ReadFiles(node, &config.device_check));
  } else if (kind == "postgres") {
    ASSIGN_OR_RETURN(config.options, ReadPostgres(fs, node));
  } else if (kind == "redis") {
    ASSIGN_OR_RETURN(config.options, ReadRedis(fs, node));
  } else {
    return node.Find("kind")->Refuse(fmt::format("unknown kind '{}'", Escaped(kind)),
                                     "Use files, postgres or redis.");
  }
  if (const auto delta = node.Find("delta")) {
    RETURN_IF_ERROR(delta->CheckKeys({"enabled", "cache"}));
    ASSIGN_OR_RETURN(config.delta, delta->Bool("enabled", config.delta));
    ASSIGN_OR_RETURN(config.delta_cache_bytes, delta->Size("cache", config.delta_cache_bytes));
  }
  ASSIGN_OR_RETURN(config.hooks, ReadHooks(node));
  return config;
}

absl::Status ReadSources(FileSystem& fs, const ConfigNode& root, AgentConfig* config) {
  if (!root.Has("sources")) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto nodes, root.List("sources"));
  std::set<std::string> names;
  for (const ConfigNode& node : nodes) {
    ASSIGN_OR_RETURN(SourceConfig source, ReadSource(fs, node));
    if (!names.insert(source.name).second) {
      return node.Refuse(fmt::format("a second source named '{}'", source.name));
    }
    config->sources.push_back(std::move(source));
  }
  return absl::OkStatus();
}

}  // namespace

std::string SourceConfig::kind() const {
  return std::visit(Overloaded{[](const source::FilesOptions&) { return "files"; },
                               [](const source::PostgresOptions&) { return "postgres"; },
                               [](const redis::RedisOptions&) { return "redis"; }},
                    options);
}

const SourceConfig* AgentConfig::Find(std::string_view name) const {
  for (const SourceConfig& source : sources) {
    if (source.name == name) return &source;
  }
  return nullptr;
}

absl::StatusOr<AgentConfig> LoadAgentConfig(FileSystem& fs, const std::string& path) {
  AgentConfig config;
  config.data_directory = DefaultDataDirectory("agent");
  const std::string file = path.empty() ? DefaultConfigPath("agent") : path;
  if (path.empty() && !fs.Exists(file)) return config;
  ASSIGN_OR_RETURN(const ConfigDocument document, LoadConfig(fs, file));
  const ConfigNode root = document.root();
  RETURN_IF_ERROR(root.CheckKeys({"data_directory", "controller", "restore_roots", "sources",
                                  "upload", "nice", "log", "alerts"}));
  ASSIGN_OR_RETURN(config.data_directory, root.Text("data_directory", config.data_directory));
  if (config.data_directory.empty() || config.data_directory[0] != '/') {
    return root.Find("data_directory")->Refuse("this is not an absolute path");
  }
  ASSIGN_OR_RETURN(config.controller, root.Text("controller", ""));
  ASSIGN_OR_RETURN(config.restore_roots, root.Texts("restore_roots"));
  for (const std::string& restore_root : config.restore_roots) {
    if (restore_root.empty() || restore_root[0] != '/') {
      return root.Find("restore_roots")->Refuse("a restore root must be an absolute path");
    }
  }
  if (const auto log = root.Find("log")) {
    RETURN_IF_ERROR(log->CheckKeys({"level", "format"}));
    ASSIGN_OR_RETURN(config.log.level, log->Text("level", config.log.level));
    ASSIGN_OR_RETURN(config.log.format, log->Text("format", config.log.format));
  }
  if (const auto upload = root.Find("upload")) {
    ASSIGN_OR_RETURN(config.upload, ReadRateTimetable(*upload));
  }
  if (const auto alerts = root.Find("alerts")) {
    ASSIGN_OR_RETURN(config.alerts, ReadDeadManConfig(fs, *alerts));
  }
  ASSIGN_OR_RETURN(const std::int64_t nice, root.Integer("nice", 0, {0, 19}));
  config.nice = static_cast<int>(nice);
  RETURN_IF_ERROR(ReadSources(fs, root, &config));
  return config;
}

std::unique_ptr<source::Source> MakeSource(Env env, const SourceConfig& config,
                                           std::optional<std::uint64_t> expected_device) {
  return std::visit(
      Overloaded{[&](source::FilesOptions options) -> std::unique_ptr<source::Source> {
                   if (config.device_check) options.expected_device = expected_device;
                   return std::make_unique<source::FilesSource>(std::move(options), env.clock);
                 },
                 [&](const source::PostgresOptions& options) -> std::unique_ptr<source::Source> {
                   return std::make_unique<source::PostgresSource>(env, options);
                 },
                 [&](const redis::RedisOptions& options) -> std::unique_ptr<source::Source> {
                   return std::make_unique<redis::RedisSource>(env, options);
                 }},
      config.options);
}

}  // namespace holdfast::daemon
