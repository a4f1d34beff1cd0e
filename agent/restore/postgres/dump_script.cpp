#include "agent/restore/postgres/dump_script.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace holdfast::restore {
namespace {

bool IsIdentifierCharacter(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || c == '_' || byte >= 0x80;
}

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

std::string Field(std::string_view line, std::string_view name, std::string_view next) {
  const std::size_t begin = line.find(name);
  if (begin == std::string_view::npos) return "";
  line.remove_prefix(begin + name.size());
  const std::size_t end = next.empty() ? std::string_view::npos : line.rfind(next);
  return std::string(line.substr(0, end));
}

// "-- Name: t; Type: TABLE; Schema: public; Owner: -", also "-- Data for Name: …".
std::optional<DumpItem> ParseHeading(std::string_view line) {
  if (!line.starts_with("-- Name: ") && !line.starts_with("-- Data for Name: ")) return {};
  DumpItem item;
  const std::size_t type = line.rfind("; Type: ");
  if (type == std::string_view::npos) return {};
  item.name = Field(line.substr(0, type), "Name: ", "");
  line.remove_prefix(type);
  item.type = Field(line, "; Type: ", "; Schema: ");
  line = line.substr(0, line.find("; Owner: "));
  item.schema = Field(line, "; Schema: ", "");
  return item;
}

}  // namespace

void SqlScanner::StepDollar(char c) {
  if (c != '$') {
    if (in_candidate_) candidate_ += c;
    return;
  }
  if (in_candidate_ && candidate_ == tag_) {
    state_ = State::kCode;
    in_candidate_ = false;
    return;
  }
  in_candidate_ = true;  // this '$' may begin the closing tag
  candidate_.clear();
}

void SqlScanner::StepCode(char c) {
  if (in_tag_) {
    if (c == '$') {
      state_ = State::kDollar;
      in_tag_ = in_candidate_ = false;
      return;
    }
    const bool first = tag_.empty();
    if (IsIdentifierCharacter(c) && !(first && std::isdigit(static_cast<unsigned char>(c)) != 0)) {
      tag_ += c;
      return;
    }
    in_tag_ = false;
  }
  if (c == '\'') {
    const bool escape = (previous_ == 'E' || previous_ == 'e') &&
                        !IsIdentifierCharacter(before_previous_) && before_previous_ != '$';
    state_ = escape ? State::kEscapeQuote : State::kQuote;
    escaped_ = false;
  } else if (c == '"') {
    state_ = State::kIdentifier;
  } else if (c == '$' && !IsIdentifierCharacter(previous_)) {
    in_tag_ = true;
    tag_.clear();
  } else if (c == '-' && previous_ == '-') {
    state_ = State::kLineComment;
  } else if (c == '*' && previous_ == '/') {
    state_ = State::kBlockComment;
    comment_depth_ = 1;
  }
}

void SqlScanner::Step(char c) {
  switch (state_) {
    case State::kCode:
      StepCode(c);
      break;
    case State::kQuote:
      if (c == '\'') state_ = State::kCode;  // a doubled quote opens again at once
      break;
    case State::kEscapeQuote:
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '\'') {
        state_ = State::kCode;
        // A doubled quote stays an E string: keep what StepCode looks at.
        before_previous_ = '\0';
        previous_ = 'E';
        return;
      }
      break;
    case State::kIdentifier:
      if (c == '"') state_ = State::kCode;
      break;
    case State::kDollar:
      StepDollar(c);
      break;
    case State::kLineComment:
      if (c == '\n') state_ = State::kCode;
      break;
    case State::kBlockComment:
      if (c == '*' && previous_ == '/') ++comment_depth_;
      if (c == '/' && previous_ == '*' && --comment_depth_ == 0) state_ = State::kCode;
      break;
  }
  before_previous_ = previous_;
  previous_ = c;
}

std::vector<DumpItem> SplitDump(std::string_view script) {
  std::vector<DumpItem> items(1);
  SqlScanner scanner;
  std::size_t item_begin = 0;
  for (std::size_t line_begin = 0; line_begin < script.size();) {
    std::size_t line_end = script.find('\n', line_begin);
    if (line_end == std::string_view::npos) line_end = script.size() - 1;
    const std::string_view line = script.substr(line_begin, line_end - line_begin);
    if (scanner.InCode() && line == "--") {
      const std::string_view rest = script.substr(line_end + 1);
      if (auto heading = ParseHeading(rest.substr(0, rest.find('\n')))) {
        items.back().sql = script.substr(item_begin, line_begin - item_begin);
        items.push_back(*std::move(heading));
        item_begin = line_begin;
      }
    }
    for (const char c : script.substr(line_begin, line_end + 1 - line_begin)) scanner.Step(c);
    line_begin = line_end + 1;
  }
  items.back().sql = script.substr(item_begin);
  return items;
}

std::vector<DumpItem> EventTriggersLast(std::vector<DumpItem> items) {
  std::stable_partition(items.begin(), items.end(), [](const DumpItem& item) {
    return item.type != "EVENT TRIGGER" &&
           !(item.type == "COMMENT" && item.name.starts_with("EVENT TRIGGER "));
  });
  return items;
}

absl::Status StatementStream::Feed(ByteView bytes) {
  for (const char c : bytes) {
    const bool was_comment = scanner_.InComment();
    scanner_.Step(c);
    statement_ += c;
    if (was_comment || scanner_.InComment()) {
      if (!blank_) continue;
      // A comment before the statement: its opening mark and text are not part of it.
      statement_.clear();
      continue;
    }
    if (blank_) {
      if (IsSpace(c)) {
        statement_.clear();
        continue;
      }
      if (c == '-' || c == '/') continue;  // may open a comment
      blank_ = false;
    }
    if (c != ';' || !scanner_.InCode()) continue;
    const std::string statement = std::move(statement_);
    statement_.clear();
    blank_ = true;
    if (absl::Status status = execute_(statement); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::vector<std::string> SplitStatements(std::string_view script) {
  std::vector<std::string> statements;
  StatementStream stream([&](const std::string& statement) {
    statements.push_back(statement);
    return absl::OkStatus();
  });
  (void)stream.Feed(script);  // collecting cannot fail
  return statements;
}

std::string LeadingIdentifier(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  std::string name;
  if (text.empty() || text.front() != '"') {
    while (!text.empty() && (IsIdentifierCharacter(text.front()) || text.front() == '$')) {
      name += text.front();
      text.remove_prefix(1);
    }
    return name;
  }
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] != '"') {
      name += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '"') {
      name += text[i++];
    } else {
      break;
    }
  }
  return name;
}

}  // namespace holdfast::restore
