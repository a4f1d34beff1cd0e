// What a Redis server tells about itself: INFO as values, and configuration as one document.
//
// Hides:      the text of INFO, CONFIG GET, ACL LIST, FUNCTION LIST and DUMP.
// Invariants: what an account may not read is missing from the document and named in a note, never
//             an error; the document holds the server's secrets and is only stored sealed.
// Threading:  as the connection. Errors: of the connection.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/source/redis/rdb_walker.h"
#include "agent/source/redis/redis_connection.h"

namespace holdfast::redis {

struct ServerInfo {
  std::map<std::string, std::string, std::less<>> fields;

  std::string Get(std::string_view name) const;  // empty when absent
  std::string version() const { return Get("redis_version"); }
  int major_version() const;
  std::string role() const { return Get("role"); }
  std::string replication_id() const { return Get("master_replid"); }
  bool cluster_enabled() const { return Get("cluster_enabled") == "1"; }
  // Databases that hold keys, by number.
  std::map<std::uint64_t, RdbDatabase> databases() const;
};

ServerInfo ParseInfo(std::string_view text);
absl::StatusOr<ServerInfo> ReadInfo(RedisConnection& connection);

// The newest RDB version a server of this version reads; 0 when the text is no version.
int NewestRdbVersion(std::string_view server_version);

// The JSON text stored as config.json.
struct ConfigDocument {
  Bytes json;
  std::vector<std::string> notes;
  std::uint64_t function_count = 0;  // libraries
};
absl::StatusOr<ConfigDocument> ReadConfig(RedisConnection& connection, const ServerInfo& info);

// What a restore needs of it.
struct StoredConfig {
  std::map<std::string, std::string> settings;
  std::vector<std::string> acl_lines;
  Bytes functions;  // payload of FUNCTION RESTORE; empty: none
};
absl::StatusOr<StoredConfig> ParseConfig(ByteView json);  // kIntegrity 2213

// kSource 2214 when the server is one of several shards: a part must not pass for the whole.
absl::Status RefuseShard(RedisConnection& connection, const ServerInfo& info);

}  // namespace holdfast::redis
