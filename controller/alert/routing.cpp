#include "controller/alert/routing.h"

#include <algorithm>

namespace holdfast::alert {
namespace {

enum class Hours { kObserved, kIgnored };

std::vector<std::string> NamesOf(const Routing& routing, std::size_t step, absl::Time now,
                                 Hours hours) {
  std::vector<std::string> names;
  if (routing.steps.empty()) {
    for (const ChannelFacts& channel : routing.channels) names.push_back(channel.name);
    return names;
  }
  names = routing.steps[step].channels;
  for (const std::string& name : routing.steps[step].contacts) {
    for (const Contact& contact : routing.contacts) {
      if (contact.name != name) continue;
      if (hours == Hours::kObserved && !IsOnCall(contact, now)) continue;
      names.insert(names.end(), contact.channels.begin(), contact.channels.end());
    }
  }
  return names;
}

std::vector<std::string> Wanted(const Routing& routing, const std::vector<std::string>& names,
                                notify::Severity severity) {
  std::vector<std::string> wanted;
  for (const ChannelFacts& channel : routing.channels) {
    const bool named = std::find(names.begin(), names.end(), channel.name) != names.end();
    if (named && severity >= channel.least) wanted.push_back(channel.name);
  }
  return wanted;
}

}  // namespace

bool IsOnCall(const Contact& contact, absl::Time now) {
  if (contact.hours.empty()) return true;
  return std::any_of(contact.hours.begin(), contact.hours.end(),
                     [&](const WeekHours& hours) { return Holds(hours, now, contact.zone); });
}

absl::Duration Routing::AfterOf(std::size_t step) const {
  return step < steps.size() ? steps[step].after : absl::ZeroDuration();
}

StepTaken TakeStep(const Routing& routing, std::size_t step, notify::Severity severity,
                   absl::Time now) {
  for (std::size_t i = step; i < routing.step_count(); ++i) {
    const auto names = NamesOf(routing, i, now, Hours::kObserved);
    if (!names.empty()) return {i, Wanted(routing, names, severity)};
  }
  if (step > 0) return {routing.step_count(), {}};
  return {0, Wanted(routing, NamesOf(routing, 0, now, Hours::kIgnored), severity)};
}

}  // namespace holdfast::alert
