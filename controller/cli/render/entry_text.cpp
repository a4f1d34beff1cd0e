#include "controller/cli/render/entry_text.h"

#include "controller/cli/render/text.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kPathLimit = 4096;

char TypeLetter(EntryType type) {
  switch (type) {
    case EntryType::kFile:
    case EntryType::kHardlink:
      return '-';
    case EntryType::kDirectory:
      return 'd';
    case EntryType::kSymlink:
      return 'l';
    case EntryType::kFifo:
      return 'p';
    case EntryType::kSocket:
      return 's';
    case EntryType::kCharacterDevice:
      return 'c';
    case EntryType::kBlockDevice:
      return 'b';
  }
  return '?';
}

std::string NameOrNumber(const std::string& name, std::uint32_t number) {
  return name.empty() ? std::to_string(number) : Escaped(name, 40);
}

}  // namespace

std::string TypeName(EntryType type) {
  switch (type) {
    case EntryType::kFile:
      return "file";
    case EntryType::kDirectory:
      return "directory";
    case EntryType::kSymlink:
      return "symlink";
    case EntryType::kHardlink:
      return "hardlink";
    case EntryType::kFifo:
      return "fifo";
    case EntryType::kSocket:
      return "socket";
    case EntryType::kCharacterDevice:
      return "character-device";
    case EntryType::kBlockDevice:
      return "block-device";
  }
  return "unknown";
}

std::string ModeText(const Entry& entry) {
  std::string text(1, TypeLetter(entry.type));
  constexpr char kLetters[] = "rwxrwxrwx";
  for (int bit = 0; bit < 9; ++bit) {
    text.push_back((entry.mode & (0400u >> bit)) != 0 ? kLetters[bit] : '-');
  }
  const auto special = [&](std::size_t at, unsigned bit, char letter) {
    if ((entry.mode & bit) == 0) return;
    const bool executable = text[at] == 'x';
    text[at] = executable ? letter : static_cast<char>(letter - 'a' + 'A');
  };
  special(3, 04000, 's');
  special(6, 02000, 's');
  special(9, 01000, 't');
  return text;
}

std::string OwnerText(const Entry& entry) {
  return fmt::format("{}:{}", NameOrNumber(entry.user_name, entry.user_id),
                     NameOrNumber(entry.group_name, entry.group_id));
}

std::string EntryTime(const Entry& entry, absl::TimeZone zone) {
  return absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixNanos(entry.mtime_ns), zone);
}

std::string EntrySize(const Entry& entry) {
  if (entry.type != EntryType::kFile) return "";
  std::string text = SizeText(entry.size_bytes);
  if (entry.rows) text += fmt::format("   {}", Plural(*entry.rows, "row"));
  return text;
}

std::string EntryName(const Entry& entry) {
  std::string name = entry.path.empty() ? "." : Escaped(entry.path, kPathLimit);
  if (entry.type == EntryType::kDirectory) name += "/";
  if (entry.type == EntryType::kSymlink || entry.type == EntryType::kHardlink) {
    name += (entry.type == EntryType::kSymlink ? " -> " : " = ") +
            Escaped(entry.link_target, kPathLimit);
  }
  return name;
}

Json EntryJson(const Entry& entry) {
  Json json = Json::object();
  PutPath(entry.path, &json);
  json["type"] = TypeName(entry.type);
  json["size_bytes"] = entry.size_bytes;
  json["mode"] = fmt::format("{:04o}", entry.mode);
  json["user"] = NameOrNumber(entry.user_name, entry.user_id);
  json["group"] = NameOrNumber(entry.group_name, entry.group_id);
  json["mtime"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixNanos(entry.mtime_ns),
                                   absl::UTCTimeZone());
  if (!entry.link_target.empty()) json["link_target"] = Escaped(entry.link_target, kPathLimit);
  if (entry.rows) json["rows"] = *entry.rows;
  if (!entry.content_hash.empty()) json["content_hash"] = ToHex(entry.content_hash);
  if (entry.inconsistent) json["inconsistent"] = true;
  return json;
}

}  // namespace holdfast::cli
