#include "controller/schedule/setting.h"

#include "fmt/format.h"

namespace holdfast::schedule {

std::string SourceScope(const SourceId& source) { return "source:" + source.hex(); }
std::string GroupScope(const std::string& name) { return "group:" + name; }

bool CommandSettings::Apply(const std::string& scope, const std::string& key,
                            const std::string& place, Setting* setting) const {
  for (const catalog::SettingRow& row : rows_) {
    if (row.scope != scope || row.key != key) continue;
    *setting = {row.value, Origin::kCommand, place, row.set_by, row.set_at_ms};
    return true;
  }
  return false;
}

std::string CommandSettings::ValueOf(const std::string& scope, const std::string& key) const {
  Setting setting;
  return Apply(scope, key, "", &setting) ? setting.text : "";
}

std::string ChangesText(const CommandSettings& before,
                        const std::vector<catalog::SettingRow>& changes) {
  const auto words = [](const std::string& value) { return value.empty() ? "not set" : value; };
  std::string text;
  for (const catalog::SettingRow& row : changes) {
    text += fmt::format("{}{} {} (was {})", text.empty() ? "" : ", ",
                        row.key.substr(row.key.find('.') + 1), words(row.value),
                        words(before.ValueOf(row.scope, row.key)));
  }
  return text;
}

}  // namespace holdfast::schedule
