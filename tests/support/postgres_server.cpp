#include "tests/support/postgres_server.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/numbers.h"
#include "common/base/error.h"
#include "common/env/process.h"
#include "common/env/unique_fd.h"
#include "tests/support/free_port.h"

namespace holdfast::test {
namespace {

std::string Run(std::vector<std::string> argv) {
  ProcessOptions options;
  options.argv = std::move(argv);
  options.environment = {{"PGOPTIONS", ""}, {"LC_ALL", "C.UTF-8"}};
  options.working_directory = "/";
  const absl::StatusOr<std::string> output = RunProcessForOutput(options, {});
  if (!output.ok()) std::fprintf(stderr, "%s\n", Render(output.status()).c_str());
  HOLDFAST_CHECK(output.ok());
  return *output;
}

// The server refuses to run as root.
std::vector<std::string> AsServerUser(std::vector<std::string> argv) {
  if (::geteuid() == 0) argv.insert(argv.begin(), {"runuser", "-u", "postgres", "--"});
  return argv;
}

// A cluster as initdb makes it, in `data`: copied from the first one that was made with these
// arguments in this build directory, which takes a tenth of the time.
void MakeCluster(const std::string& data, const std::string& password_path) {
  namespace stdfs = std::filesystem;
  const std::vector<std::string> how = {
      "-U",   "postgres",         "--no-sync",          "-E",
      "UTF8", "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256"};
  std::string key = PostgresProgram("initdb");
  for (const std::string& argument : how) key += argument;
  const std::string kept = HOLDFAST_BIN_DIR "/../postgres-" +
                           std::to_string(std::hash<std::string>()(key) % 1'000'000'007);
  if (stdfs::exists(kept)) {
    Run({"cp", "-a", kept, data});
    return;
  }
  std::vector<std::string> argv = {PostgresProgram("initdb"), "-D", data,
                                   "--pwfile=" + password_path};
  argv.insert(argv.end(), how.begin(), how.end());
  Run(AsServerUser(argv));
  const std::string copy = kept + "." + std::to_string(::getpid());
  Run({"cp", "-a", data, copy});
  std::error_code taken;  // by another test that was faster
  stdfs::rename(copy, kept, taken);
  if (taken) stdfs::remove_all(copy);
}

}  // namespace

std::string PostgresProgram(const std::string& name) {
  std::string best;
  int best_major = 0;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql")) {
    int major = 0;
    if (!absl::SimpleAtoi(version.path().filename().string(), &major)) continue;
    const std::filesystem::path path = version.path() / "bin" / name;
    if (major > best_major && std::filesystem::exists(path)) {
      best_major = major;
      best = path;
    }
  }
  HOLDFAST_CHECK(!best.empty());
  return best;
}

PostgresServer::PostgresServer() : port_(FreePort()) {
  const std::string data = directory_ / "data";
  std::ofstream(directory_ / "password") << "secret\n";
  if (::geteuid() == 0) {
    const passwd* user = ::getpwnam("postgres");
    HOLDFAST_CHECK(user != nullptr);
    for (const std::string& path : {directory_.path(), directory_ / "password"}) {
      HOLDFAST_CHECK(::chown(path.c_str(), user->pw_uid, user->pw_gid) == 0);
    }
  }
  MakeCluster(data, directory_ / "password");
  std::ofstream(data + "/postgresql.conf", std::ios::app)
      << "port = " << port_ << "\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '"
      << directory_.path() << "'\nfsync = off\nfull_page_writes = off\nwal_level = logical\n"
      << "max_wal_senders = 4\nshared_buffers = 64MB\nautovacuum = off\n";
  Run(AsServerUser(
      {PostgresProgram("pg_ctl"), "-D", data, "-w", "-l", directory_ / "log", "start"}));
}

PostgresServer::~PostgresServer() {
  Run(AsServerUser(
      {PostgresProgram("pg_ctl"), "-D", directory_ / "data", "-w", "-m", "immediate", "stop"}));
}

std::string PostgresServer::Sql(const std::string& database, const std::string& sql) const {
  return Run({PostgresProgram("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", directory_.path(),
              "-p", std::to_string(port_), "-U", "postgres", "-d", database, "-c", sql});
}

void PostgresServer::LoadFile(const std::string& database, const std::string& path) const {
  Run({PostgresProgram("psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-h", directory_.path(), "-p",
       std::to_string(port_), "-U", "postgres", "-d", database, "-f", path});
}

std::string PostgresServer::Schema(const std::string& database) const {
  const std::string dump = Run({PostgresProgram("pg_dump"), "-s", "-h", directory_.path(), "-p",
                                std::to_string(port_), "-U", "postgres", database});
  std::string result;
  for (std::size_t begin = 0; begin < dump.size();) {
    const std::size_t end = std::min(dump.find('\n', begin), dump.size() - 1);
    const std::string line = dump.substr(begin, end + 1 - begin);
    begin = end + 1;
    if (line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ")) continue;
    result += line;
  }
  return result;
}

std::string PostgresServer::Rows(const std::string& database) const {
  const std::string tables = Sql(
      database,
      "SET search_path = ''; SELECT format('SELECT %L, count(*), "
      "coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) "
      "FROM ONLY %s t;', c.oid::regclass, c.oid::regclass) FROM pg_class c JOIN pg_namespace n ON "
      "n.oid = c.relnamespace WHERE c.relkind = 'r' AND NOT c.relispartition AND n.nspname !~ "
      "'^pg_' AND n.nspname <> 'information_schema' UNION ALL SELECT format('SELECT %L, count(*), "
      "coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM %s t;', c.oid::regclass, "
      "c.oid::regclass) FROM pg_class c WHERE c.relkind IN ('p', 'm') AND NOT c.relispartition AND "
      "c.relispopulated ORDER BY 1");
  return Sql(database, "SET extra_float_digits = 3; SET search_path = ''; " + tables);
}

bool PostgresServer::HasDatabase(const std::string& name) const {
  return !Sql("postgres", "SELECT 1 FROM pg_database WHERE datname = '" + name + "'").empty();
}

}  // namespace holdfast::test
