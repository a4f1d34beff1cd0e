// Who is told of an alert, over which channels, and who next when nobody answers.
//
// Hides:      on-call hours.
// Invariants: I1  A step goes to its channels and to its contacts who are on call. One that reaches
//                 nobody is passed over at once; when none reaches anybody, the first step's
//                 contacts are told whatever the hour: better to wake somebody than nobody.
//             I2  Without steps there is one: every channel.
//             I3  A channel is told only of what is as grave as it wants, each channel once.
// Threading:  values and pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "common/config/week_hours.h"
#include "common/notify/message.h"

namespace holdfast::alert {

struct Contact {
  std::string name;
  std::string role;
  std::string phone;
  std::vector<std::string> channels;
  absl::TimeZone zone = absl::UTCTimeZone();
  std::string zone_name = "UTC";
  std::vector<WeekHours> hours;  // empty: always
};
bool IsOnCall(const Contact& contact, absl::Time now);

struct Provider {
  std::string name;
  std::string service;
  std::string support;  // a page
  std::string phone;
};

struct EscalationStep {
  absl::Duration after;  // since the alert
  std::vector<std::string> contacts;
  std::vector<std::string> channels;
};

struct ChannelFacts {
  std::string name;
  notify::Severity least = notify::Severity::kInfo;
  bool takes_acknowledgements = false;
};

struct Routing {
  std::vector<ChannelFacts> channels;
  std::vector<Contact> contacts;
  std::vector<EscalationStep> steps;
  std::vector<Provider> providers;

  std::size_t step_count() const { return steps.empty() ? 1 : steps.size(); }
  absl::Duration AfterOf(std::size_t step) const;
};

struct StepTaken {
  std::size_t step = 0;  // the one that was taken; step_count(): there is none left
  std::vector<std::string> channels;
};
// The first step from `step` on that reaches somebody now.
StepTaken TakeStep(const Routing& routing, std::size_t step, notify::Severity severity,
                   absl::Time now);

}  // namespace holdfast::alert
