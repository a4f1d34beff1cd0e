// `holdfast contact list`: who is called, when and how; whose support helps.
//
// Exit status: 0; others in DESIGN 12.

#include "common/base/error.h"
#include "common/report/json.h"
#include "controller/cli/commands/commands.h"
#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

Json ContactListJson(const ContactList& list) {
  Json contacts = Json::array();
  for (const ContactInfo& contact : list.contacts) {
    contacts.push_back({{"name", contact.name},
                        {"role", contact.role},
                        {"phone", contact.phone},
                        {"time_zone", contact.time_zone},
                        {"hours", contact.hours},
                        {"on_call", contact.on_call},
                        {"channels", contact.channels}});
  }
  Json providers = Json::array();
  for (const ProviderInfo& provider : list.providers) {
    providers.push_back({{"name", provider.name},
                         {"service", provider.service},
                         {"support", provider.support},
                         {"phone", provider.phone}});
  }
  Json steps = Json::array();
  for (const EscalationStep& step : list.steps) {
    steps.push_back({{"after_seconds", step.after_seconds},
                     {"contacts", step.contacts},
                     {"channels", step.channels}});
  }
  return {{"contacts", std::move(contacts)},
          {"providers", std::move(providers)},
          {"escalation", std::move(steps)}};
}

std::string JoinedNames(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + Escaped(name, 60);
  return text;
}

std::string ContactListText(const ContactList& list) {
  std::string text;
  if (list.contacts.empty()) {
    text += "No contact is configured.\n";
  } else {
    Table table({{"CONTACT"}, {"ROLE"}, {"PHONE"}, {"CHANNELS"}, {"ON CALL"}, {"NOW"}});
    for (const ContactInfo& contact : list.contacts) {
      table.Add({Escaped(contact.name, 60), Escaped(contact.role, 60), Escaped(contact.phone, 40),
                 JoinedNames(contact.channels),
                 contact.hours.empty()
                     ? "always"
                     : Escaped(contact.hours, 200) + " " + Escaped(contact.time_zone, 60),
                 contact.on_call ? "yes" : "no"});
    }
    text += table.Render();
  }
  for (const EscalationStep& step : list.steps) {
    std::string who = JoinedNames(step.contacts);
    if (!step.channels.empty()) {
      who += (who.empty() ? "" : ", ") + ("channel " + JoinedNames(step.channels));
    }
    text += fmt::format("after {}: {}\n",
                        AgeText(absl::Seconds(static_cast<std::int64_t>(step.after_seconds))), who);
  }
  for (const ProviderInfo& provider : list.providers) {
    text += fmt::format("provider {}", Escaped(provider.name, 60));
    for (const std::string& part : {provider.service, provider.support, provider.phone}) {
      if (!part.empty()) text += "   " + Escaped(part, 200);
    }
    text += "\n";
  }
  return text;
}

absl::Status ListContacts(Context& context) {
  ASSIGN_OR_RETURN(const ContactList list, Connect(context)->ListContacts());
  return WriteOut(context, context.json ? JsonLine(ContactListJson(list)) : ContactListText(list));
}

}  // namespace

void AddContact(Command& program, Context& context) {
  Command group = program.Verb("contact", "Who is called when something is wrong");
  group.RequireVerb();
  group.Footer(Examples("holdfast contact list", "holdfast contact list --json"));
  Command listing = group.Verb("list", "Contacts, escalation and service providers");
  listing.Footer(Examples("holdfast contact list", "holdfast contact list --json"));
  listing.Action([&context] { context.exit_code = Report(context, ListContacts(context)); });
}

}  // namespace holdfast::cli
