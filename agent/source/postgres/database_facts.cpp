#include "agent/source/postgres/database_facts.h"

#include <nlohmann/json.hpp>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::source {
namespace {

using Json = nlohmann::ordered_json;

// nlohmann throws on text that is not UTF-8 and on missing members: the adapter for both is here.
template <typename Make>
absl::StatusOr<std::string> Encoded(std::string_view what, Make make) {
  try {
    return make().dump(1) + "\n";
  } catch (const Json::exception& error) {
    return Error(ErrorKind::kSource, 2116,
                 fmt::format("unable to write '{}': {}", what, Escaped(error.what())),
                 "A name in this database is not valid UTF-8; rename the object.");
  }
}

template <typename Value, typename Take>
absl::StatusOr<Value> Decoded(std::string_view what, const std::string& json, Take take) {
  try {
    return take(Json::parse(json));
  } catch (const Json::exception& error) {
    return Error(
        ErrorKind::kIntegrity, 3110,
        fmt::format("unable to read '{}' of the snapshot: {}", what, Escaped(error.what())));
  }
}

}  // namespace

absl::StatusOr<std::string> EncodeDatabase(const DatabaseFacts& facts) {
  return Encoded("database.json", [&] {
    Json settings = Json::array();
    for (const DatabaseSetting& setting : facts.settings) {
      settings.push_back(
          {{"role", setting.role}, {"name", setting.name}, {"value", setting.value}});
    }
    return Json{{"name", facts.name},
                {"server_version", facts.server_version},
                {"owner", facts.owner},
                {"encoding", facts.encoding},
                {"collate", facts.collate},
                {"ctype", facts.ctype},
                {"icu_locale", facts.icu_locale},
                {"locale_provider", facts.locale_provider},
                {"tablespace", facts.tablespace},
                {"connection_limit", facts.connection_limit},
                {"is_template", facts.is_template},
                {"comment", facts.comment},
                {"grants", facts.grants},
                {"settings", settings},
                {"extensions", facts.extensions},
                {"roles", facts.roles},
                {"tablespaces", facts.tablespaces},
                {"subscriptions", facts.subscriptions}};
  });
}

absl::StatusOr<DatabaseFacts> DecodeDatabase(const std::string& json) {
  return Decoded<DatabaseFacts>("database.json", json, [](const Json& in) {
    DatabaseFacts facts;
    in.at("name").get_to(facts.name);
    in.at("server_version").get_to(facts.server_version);
    in.at("owner").get_to(facts.owner);
    in.at("encoding").get_to(facts.encoding);
    in.at("collate").get_to(facts.collate);
    in.at("ctype").get_to(facts.ctype);
    in.at("icu_locale").get_to(facts.icu_locale);
    in.at("locale_provider").get_to(facts.locale_provider);
    in.at("tablespace").get_to(facts.tablespace);
    in.at("connection_limit").get_to(facts.connection_limit);
    in.at("is_template").get_to(facts.is_template);
    in.at("comment").get_to(facts.comment);
    in.at("grants").get_to(facts.grants);
    in.at("extensions").get_to(facts.extensions);
    in.at("roles").get_to(facts.roles);
    in.at("tablespaces").get_to(facts.tablespaces);
    in.at("subscriptions").get_to(facts.subscriptions);
    for (const Json& setting : in.at("settings")) {
      facts.settings.push_back({setting.at("role").get<std::string>(),
                                setting.at("name").get<std::string>(),
                                setting.at("value").get<std::string>()});
    }
    return facts;
  });
}

absl::StatusOr<std::string> EncodeSequences(const std::vector<SequenceFacts>& sequences) {
  return Encoded("sequences.json", [&] {
    Json out = Json::array();
    for (const SequenceFacts& sequence : sequences) {
      out.push_back({{"schema", sequence.schema},
                     {"name", sequence.name},
                     {"last_value", sequence.last_value},
                     {"is_called", sequence.is_called}});
    }
    return out;
  });
}

absl::StatusOr<std::vector<SequenceFacts>> DecodeSequences(const std::string& json) {
  using Sequences = std::vector<SequenceFacts>;
  return Decoded<Sequences>("sequences.json", json, [](const Json& in) {
    Sequences sequences;
    for (const Json& one : in) {
      sequences.push_back({one.at("schema").get<std::string>(), one.at("name").get<std::string>(),
                           one.at("last_value").get<std::string>(),
                           one.at("is_called").get<bool>()});
    }
    return sequences;
  });
}

}  // namespace holdfast::source
