#include "agent/source/redis/server_facts.h"

#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/error.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace holdfast::redis {
namespace {

using Json = nlohmann::json;

std::string_view View(absl::string_view text) { return {text.data(), text.size()}; }

std::uint64_t NumberIn(const std::string& text) {
  std::uint64_t value = 0;
  return absl::SimpleAtoi(text, &value) ? value : 0;
}

bool IsRefusal(const Reply& reply) {
  return reply.kind == Reply::Kind::kError &&
         (reply.Begins("NOPERM") || reply.Begins("ERR unknown"));
}

// The reply, or nil with a note when the server does not let us have it.
absl::StatusOr<Reply> Ask(RedisConnection& connection, const std::vector<ByteView>& words,
                          std::string_view what, std::vector<std::string>* notes) {
  connection.Append(words);
  ASSIGN_OR_RETURN(Reply reply, connection.Next());
  if (IsRefusal(reply)) {
    notes->push_back(fmt::format("{} not taken: {}", what, Escaped(reply.text)));
    return Reply();
  }
  if (reply.kind == Reply::Kind::kError) return connection.ErrorOf(reply, words.front());
  return reply;
}

Json SettingsOf(const Reply& reply) {
  Json settings = Json::object();
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    settings[reply.elements[i].text] = reply.elements[i + 1].text;
  }
  return settings;
}

Json LinesOf(const Reply& reply) {
  Json lines = Json::array();
  for (const Reply& line : reply.elements) lines.push_back(line.text);
  return lines;
}

Json LibraryNamesOf(const Reply& list) {
  Json names = Json::array();
  for (const Reply& library : list.elements) {
    for (std::size_t i = 0; i + 1 < library.elements.size(); i += 2) {
      if (library.elements[i].text == "library_name") {
        names.push_back(library.elements[i + 1].text);
      }
    }
  }
  return names;
}

// Text of a server may be any bytes; JSON is UTF-8, so foreign bytes become U+FFFD.
Bytes Print(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string TextOf(const Json& json) {
  return json.is_string() ? json.get<std::string>() : std::string();
}

}  // namespace

std::string ServerInfo::Get(std::string_view name) const {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string() : found->second;
}

int ServerInfo::major_version() const {
  return static_cast<int>(NumberIn(version().substr(0, version().find('.'))));
}

std::map<std::uint64_t, RdbDatabase> ServerInfo::databases() const {
  std::map<std::uint64_t, RdbDatabase> result;
  for (const auto& [name, value] : fields) {
    std::uint64_t number = 0;
    if (name.substr(0, 2) != "db" || !absl::SimpleAtoi(name.substr(2), &number)) continue;
    RdbDatabase database;
    for (const std::string& part : std::vector<std::string>(absl::StrSplit(value, ','))) {
      const std::size_t equals = part.find('=');
      if (equals == std::string::npos) continue;
      if (part.substr(0, equals) == "keys") database.keys = NumberIn(part.substr(equals + 1));
      if (part.substr(0, equals) == "expires") database.expires = NumberIn(part.substr(equals + 1));
    }
    result[number] = database;
  }
  return result;
}

ServerInfo ParseInfo(std::string_view text) {
  ServerInfo info;
  for (const absl::string_view raw :
       absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    std::string_view line = View(raw);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.front() == '#') continue;
    info.fields.emplace(line.substr(0, colon), line.substr(colon + 1));
  }
  return info;
}

absl::StatusOr<ServerInfo> ReadInfo(RedisConnection& connection) {
  ASSIGN_OR_RETURN(const Reply reply, connection.Command({"INFO"}));
  return ParseInfo(reply.text);
}

int NewestRdbVersion(std::string_view server_version) {
  const std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(server_version.data(), server_version.size()), '.');
  const std::uint64_t major = NumberIn(parts[0]);
  const std::uint64_t minor = parts.size() > 1 ? NumberIn(parts[1]) : 0;
  if (major == 0) return 0;
  if (major < 3 || (major == 3 && minor < 2)) return 6;
  if (major == 3) return 7;
  if (major == 4) return 8;
  if (major < 7) return 9;
  if (major == 7 && minor < 2) return 10;
  if (major == 7 && minor < 4) return 11;
  return 12;
}

absl::StatusOr<ConfigDocument> ReadConfig(RedisConnection& connection, const ServerInfo& info) {
  ConfigDocument document;
  Json json;
  json["format"] = 1;
  json["redis_version"] = info.version();
  Json& facts = json["info"] = Json::object();
  for (const auto& [name, value] : info.fields) facts[name] = value;

  ASSIGN_OR_RETURN(const Reply settings, Ask(connection, {"CONFIG", "GET", "*"},
                                             "configuration (CONFIG GET)", &document.notes));
  if (settings.kind == Reply::Kind::kArray) json["config"] = SettingsOf(settings);

  if (info.major_version() >= 6) {
    ASSIGN_OR_RETURN(const Reply acl,
                     Ask(connection, {"ACL", "LIST"}, "user accounts (ACL LIST)", &document.notes));
    if (acl.kind == Reply::Kind::kArray) json["acl"] = LinesOf(acl);
  }
  if (info.major_version() >= 7) {
    ASSIGN_OR_RETURN(const Reply list, Ask(connection, {"FUNCTION", "LIST"},
                                           "names of functions (FUNCTION LIST)", &document.notes));
    ASSIGN_OR_RETURN(const Reply dump, Ask(connection, {"FUNCTION", "DUMP"},
                                           "functions (FUNCTION DUMP)", &document.notes));
    if (list.kind == Reply::Kind::kArray) {
      json["functions"]["libraries"] = LibraryNamesOf(list);
      document.function_count = list.elements.size();
    }
    if (dump.kind == Reply::Kind::kText) {
      json["functions"]["dump_base64"] = absl::Base64Escape(dump.text);
    }
  }
  document.json = Print(json);
  return document;
}

absl::StatusOr<StoredConfig> ParseConfig(ByteView text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return Error(ErrorKind::kIntegrity, 2213,
                 "unable to read config.json of the snapshot: it is no JSON object");
  }
  StoredConfig config;
  if (const auto found = json.find("config"); found != json.end() && found->is_object()) {
    for (const auto& [name, value] : found->items()) config.settings[name] = TextOf(value);
  }
  if (const auto found = json.find("acl"); found != json.end() && found->is_array()) {
    for (const Json& line : *found) config.acl_lines.push_back(TextOf(line));
  }
  if (const auto found = json.find("functions"); found != json.end() && found->is_object()) {
    const auto dump = found->find("dump_base64");
    const auto names = found->find("libraries");
    const bool any = names == found->end() || !names->is_array() || !names->empty();
    if (dump != found->end() && any && !absl::Base64Unescape(TextOf(*dump), &config.functions)) {
      return Error(ErrorKind::kIntegrity, 2213,
                   "unable to read config.json of the snapshot: functions are not base64");
    }
  }
  return config;
}

absl::Status RefuseShard(RedisConnection& connection, const ServerInfo& info) {
  if (!info.cluster_enabled()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Reply slots, connection.Command({"CLUSTER", "SLOTS"}));
  std::set<std::string> owners;
  for (const Reply& range : slots.elements) {
    // start, end, then the node that owns the range: address, port, id
    if (range.elements.size() < 3 || range.elements[2].elements.size() < 2) continue;
    const std::vector<Reply>& node = range.elements[2].elements;
    owners.insert(node.size() > 2 ? node[2].text
                                  : fmt::format("{}:{}", node[0].text, node[1].integer));
  }
  if (owners.size() <= 1) return absl::OkStatus();
  return Error(ErrorKind::kSource, 2214,
               fmt::format("unable to back up redis '{}': it is one of {} shards of a cluster, and "
                           "one shard is not the whole",
                           connection.address().Name(), owners.size()),
               "Back up a cluster by its application's own export, or a server without cluster "
               "mode; a cluster of one shard is accepted.");
}

}  // namespace holdfast::redis
