#include "common/format/entry.h"

#include <limits>

#include "common/base/error.h"
#include "fmt/format.h"
#include "proto/snapshot.pb.h"

namespace holdfast {
namespace {

constexpr std::size_t kPathLimitBytes = 65536;

absl::Status Damaged(std::string_view what) {
  return Error(ErrorKind::kIntegrity, 4010,
               fmt::format("unable to decode manifest entry: {}", what));
}

void SetAttributes(const std::map<std::string, std::string>& from,
                   google::protobuf::RepeatedPtrField<stored::Attribute>* to) {
  for (const auto& [name, value] : from) {
    stored::Attribute* attribute = to->Add();
    attribute->set_name(name);
    attribute->set_value(value);
  }
}

std::map<std::string, std::string> GetAttributes(
    google::protobuf::RepeatedPtrField<stored::Attribute>* from) {
  std::map<std::string, std::string> result;
  for (stored::Attribute& attribute : *from) {
    result[std::move(*attribute.mutable_name())] = std::move(*attribute.mutable_value());
  }
  return result;
}

absl::Status CheckRanges(const Entry& entry) {
  if (entry.extents) {
    std::uint64_t end = 0;
    std::uint64_t sum = 0;
    for (const Extent& extent : *entry.extents) {
      if (extent.offset_bytes < end || extent.length_bytes > entry.size_bytes ||
          extent.offset_bytes > entry.size_bytes - extent.length_bytes) {
        return Damaged("extents overlap or lie outside the file");
      }
      end = extent.offset_bytes + extent.length_bytes;
      sum += extent.length_bytes;
    }
    if (sum != entry.content_bytes) return Damaged("extents and slices have different lengths");
  } else if (entry.type == EntryType::kFile && entry.content_bytes != entry.size_bytes) {
    return Damaged("size and slices differ");
  }
  return absl::OkStatus();
}

}  // namespace

int ComparePaths(std::string_view a, std::string_view b) {
  const std::size_t shared = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < shared; ++i) {
    if (a[i] == b[i]) continue;
    const int left = a[i] == '/' ? 0 : static_cast<unsigned char>(a[i]) + 1;
    const int right = b[i] == '/' ? 0 : static_cast<unsigned char>(b[i]) + 1;
    return left < right ? -1 : 1;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

absl::Status ValidatePath(std::string_view path) {
  const auto refuse = [&](std::string_view why) {
    return Error(ErrorKind::kIntegrity, 4011,
                 fmt::format("unable to accept path '{}': {}", Escaped(path), why));
  };
  if (path.empty()) return absl::OkStatus();  // the root
  if (path.size() > kPathLimitBytes) return refuse("it is longer than 64 KiB");
  if (path.find('\0') != std::string_view::npos) return refuse("it contains NUL");
  if (path.front() == '/') return refuse("it is absolute");
  for (std::size_t begin = 0; begin <= path.size();) {
    std::size_t end = path.find('/', begin);
    if (end == std::string_view::npos) end = path.size();
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..")
      return refuse("it has an empty, '.' or '..' component");
    if (part.size() > 255) return refuse("a component is longer than 255 bytes");
    begin = end + 1;
  }
  return absl::OkStatus();
}

Bytes EncodeEntry(const Entry& entry) {
  stored::Entry out;
  out.set_path(entry.path);
  out.set_type(static_cast<std::uint32_t>(entry.type));
  out.set_mode(entry.mode);
  out.set_user_id(entry.user_id);
  out.set_group_id(entry.group_id);
  out.set_user_name(entry.user_name);
  out.set_group_name(entry.group_name);
  out.set_mtime_ns(entry.mtime_ns);
  out.set_ctime_ns(entry.ctime_ns);
  out.set_device_id(entry.device_id);
  out.set_inode(entry.inode);
  out.set_device(entry.device);
  out.set_link_target(entry.link_target);
  SetAttributes(entry.xattrs, out.mutable_xattrs());
  out.set_size_bytes(entry.size_bytes);
  out.set_sparse(entry.extents.has_value());
  if (entry.extents) {
    for (const Extent& extent : *entry.extents) {
      stored::Extent* added = out.add_extents();
      added->set_offset(extent.offset_bytes);
      added->set_length(extent.length_bytes);
    }
  }
  out.set_content_hash(entry.content_hash);
  out.set_inconsistent(entry.inconsistent);
  out.set_has_rows(entry.rows.has_value());
  out.set_rows(entry.rows.value_or(0));
  out.set_row_checksum(entry.row_checksum);
  SetAttributes(entry.attributes, out.mutable_attributes());
  for (const Slice& slice : entry.slices) {
    stored::Slice* added = out.add_slices();
    added->set_chunk(slice.chunk.bytes());
    added->set_offset(slice.offset_bytes);
    added->set_length(slice.length_bytes);
  }
  return out.SerializeAsString();
}

absl::StatusOr<Entry> DecodeEntry(ByteView bytes, PathCheck paths) {
  stored::Entry in;
  if (bytes.size() > std::numeric_limits<int>::max() ||
      !in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Damaged("it does not parse");
  }
  Entry entry;
  entry.path = std::move(*in.mutable_path());
  if (paths == PathCheck::kDecoders) RETURN_IF_ERROR(ValidatePath(entry.path));
  if (in.type() < 1 || in.type() > 8) return Damaged("unknown entry type");
  entry.type = static_cast<EntryType>(in.type());
  entry.mode = in.mode() & 07777;
  entry.user_id = in.user_id();
  entry.group_id = in.group_id();
  entry.user_name = std::move(*in.mutable_user_name());
  entry.group_name = std::move(*in.mutable_group_name());
  entry.mtime_ns = in.mtime_ns();
  entry.ctime_ns = in.ctime_ns();
  entry.device_id = in.device_id();
  entry.inode = in.inode();
  entry.device = in.device();
  entry.link_target = std::move(*in.mutable_link_target());
  if (entry.type == EntryType::kHardlink && paths == PathCheck::kDecoders) {
    RETURN_IF_ERROR(ValidatePath(entry.link_target));
  }
  entry.xattrs = GetAttributes(in.mutable_xattrs());
  entry.size_bytes = in.size_bytes();
  entry.content_hash = std::move(*in.mutable_content_hash());
  entry.inconsistent = in.inconsistent();
  if (in.has_rows()) entry.rows = in.rows();
  entry.row_checksum = std::move(*in.mutable_row_checksum());
  entry.attributes = GetAttributes(in.mutable_attributes());
  entry.slices.reserve(static_cast<std::size_t>(in.slices_size()));
  for (const stored::Slice& slice : in.slices()) {
    const auto id = ChunkId::From(slice.chunk());
    if (!id) return Damaged("a chunk id has the wrong length");
    entry.slices.push_back({*id, slice.offset(), slice.length()});
    entry.content_bytes += slice.length();
  }
  if (in.sparse()) {
    entry.extents.emplace();
    for (const stored::Extent& extent : in.extents()) {
      entry.extents->push_back({extent.offset(), extent.length()});
    }
  }
  RETURN_IF_ERROR(CheckRanges(entry));
  return entry;
}

}  // namespace holdfast
