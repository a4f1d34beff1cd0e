// A value that decides what happens by itself, and where it comes from.
//
// The nearest one counts: what was set by command for the source, then for its group; what the file
// says for its group, then for all; the default.
// Threading: values and pure functions.
#pragma once

#include <string>
#include <vector>

#include "controller/catalog/planning.h"

namespace holdfast::schedule {

enum class Origin { kDefault, kFile, kCommand };

struct Setting {
  std::string text;
  Origin origin = Origin::kDefault;
  std::string place;            // file: "schedule", "group 'databases'"; command: of which scope
  std::string set_by;           // command
  std::uint64_t set_at_ms = 0;  // command
};

std::string SourceScope(const SourceId& source);
std::string GroupScope(const std::string& name);

// What the operators set, by scope and key.
class CommandSettings {
 public:
  CommandSettings() = default;
  explicit CommandSettings(std::vector<catalog::SettingRow> rows) : rows_(std::move(rows)) {}
  // Replaces `setting` when a row of this scope and key is there; false: none is.
  bool Apply(const std::string& scope, const std::string& key, const std::string& place,
             Setting* setting) const;
  std::string ValueOf(const std::string& scope, const std::string& key) const;  // empty: none

 private:
  std::vector<catalog::SettingRow> rows_;
};

// "cron 0 3 * * * (was 0 1 * * *), zone not set (was UTC)", for the audit trail.
std::string ChangesText(const CommandSettings& before,
                        const std::vector<catalog::SettingRow>& changes);

}  // namespace holdfast::schedule
