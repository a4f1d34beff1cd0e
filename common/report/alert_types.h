// Alerts, silences, channels and contacts as the controller tells them, as plain values.
//
// Times are Unix milliseconds, 0 = never.
// Threading:  values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast::report {

struct AlertDelivery {
  std::string channel;
  std::string action;
  std::string state;
  std::uint64_t attempts = 0;
  std::uint64_t last_attempt_at_ms = 0;
  bool possibly_repeated = false;
  std::string error;
};

struct AlertInfo {
  std::int64_t id = 0;
  std::string kind;
  std::string subject;
  std::string severity;
  std::string title;
  std::string detail;
  std::string hint;
  std::string state;
  std::uint64_t count = 0;
  std::uint64_t opened_at_ms = 0;
  std::uint64_t last_at_ms = 0;
  std::uint64_t acknowledged_at_ms = 0;
  std::string acknowledged_by;
  std::uint64_t resolved_at_ms = 0;
  std::vector<AlertDelivery> deliveries;
  bool silenced = false;
};

struct SilenceInfo {
  std::int64_t id = 0;
  std::string subject;
  std::uint64_t since_ms = 0;
  std::uint64_t until_ms = 0;
  std::string by;
  std::string reason;
};

struct AlertChannel {
  std::string name;
  std::string kind;
  std::string target;
  std::string least;
};

struct AlertList {
  std::vector<AlertInfo> alerts;
  std::vector<SilenceInfo> silences;
  std::vector<AlertChannel> channels;
};

struct ContactInfo {
  std::string name;
  std::string role;
  std::string phone;
  std::string time_zone;
  bool on_call = false;
  std::vector<std::string> channels;
  std::string hours;  // empty: always
};

struct ProviderInfo {
  std::string name;
  std::string service;
  std::string support;
  std::string phone;
};

struct EscalationStep {
  std::uint64_t after_seconds = 0;
  std::vector<std::string> contacts;
  std::vector<std::string> channels;
};

struct ContactList {
  std::vector<ContactInfo> contacts;
  std::vector<ProviderInfo> providers;
  std::vector<EscalationStep> steps;
};

}  // namespace holdfast::report
