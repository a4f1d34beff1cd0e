#include <algorithm>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/config/command_tree.h"
#include "fmt/format.h"

namespace holdfast {
namespace {

constexpr char kExitStatus[] = R"(.SH EXIT STATUS
0 done; 1 failed; 2 usage or configuration; 3 done in part, listed;
4 refused before anything changed; 5 integrity; 6 not found; 7 conflict or busy;
8 unreachable; 9 a check failed; 10 the source failed; 11 no space;
12 key, certificate or permission.
)";

// Text that roff prints as it is.
std::string Roff(std::string_view text) {
  std::string out;
  bool at_start = true;
  for (const char c : text) {
    if (at_start && (c == '.' || c == '\'')) out += "\\&";
    at_start = c == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Bold(std::string_view text) { return "\\fB" + Roff(text) + "\\fR"; }
std::string Italic(std::string_view text) { return "\\fI" + Roff(text) + "\\fR"; }

void WriteOptions(const VerbFacts& verb, std::string* out) {
  for (const OptionFacts& option : verb.options) {
    std::string head =
        absl::StrJoin(option.names, ", ",
                      [](std::string* to, const std::string& name) { to->append(Bold(name)); });
    if (!option.value_name.empty()) {
      head += (head.empty() ? "" : " ") + Italic(option.value_name);
    }
    std::string text = Roff(option.description);
    if (!option.choices.empty()) {
      text += fmt::format(" ({})", Roff(absl::StrJoin(option.choices, ", ")));
    }
    if (!option.default_value.empty()) {
      text += fmt::format(" (default: {})", Roff(option.default_value));
    }
    *out += fmt::format(".TP\n{}\n{}{}\n", head, text, option.required ? " (required)" : "");
  }
}

// "Examples:\n  a\n  b" as literal lines.
void WriteFooter(const std::string& footer, std::string* out) {
  std::vector<std::string> lines = absl::StrSplit(footer, '\n', absl::SkipEmpty());
  if (lines.size() < 2) return;
  *out += ".PP\n" + Roff(lines[0]) + "\n.PP\n.nf\n.RS 4\n";
  for (std::size_t i = 1; i < lines.size(); ++i) {
    *out += Roff(std::string_view(lines[i]).substr(
                std::min(lines[i].find_first_not_of(' '), lines[i].size()))) +
            "\n";
  }
  *out += ".RE\n.fi\n";
}

void WriteVerb(const VerbFacts& verb, const std::string& parents, std::string* out) {
  const std::string name = parents + " " + verb.name;
  *out += fmt::format(".SS {}\n{}.\n", Roff(name), Roff(verb.description));
  WriteOptions(verb, out);
  WriteFooter(verb.footer, out);
  for (const VerbFacts& below : verb.verbs) WriteVerb(below, name, out);
}

}  // namespace

std::string ManualPage(const VerbFacts& program, const std::string& version,
                       const std::string& section) {
  std::string title = program.name;
  std::transform(title.begin(), title.end(), title.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  std::string out = fmt::format(".TH {} {} \"\" \"Holdfast {}\" \"Holdfast\"\n", Roff(title),
                                section, Roff(version));
  const std::size_t colon = program.description.find(": ");
  out += fmt::format(".SH NAME\n{} \\- {}\n", Roff(program.name),
                     Roff(program.description.substr(colon == std::string::npos ? 0 : colon + 2)));
  out += fmt::format(".SH SYNOPSIS\n{} [{}]{}\n", Bold(program.name), Italic("options"),
                     program.verbs.empty() ? "" : " [" + Italic("command") + " ...]");
  out += ".SH DESCRIPTION\n" + Roff(program.description) + "\n";
  WriteFooter(program.footer, &out);
  out += ".SH OPTIONS\n";
  WriteOptions(program, &out);
  if (!program.verbs.empty()) out += ".SH COMMANDS\n";
  for (const VerbFacts& verb : program.verbs) WriteVerb(verb, program.name, &out);
  return out + kExitStatus;
}

}  // namespace holdfast
