#include "controller/cli/export/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "common/base/error.h"
#include "fmt/format.h"

namespace holdfast::cli {
namespace {

constexpr std::int64_t kNanos = 1'000'000'000;

using EntryHandle = std::unique_ptr<archive_entry, void (*)(archive_entry*)>;

void SetTime(archive_entry* header, std::int64_t mtime_ns) {
  std::int64_t seconds = mtime_ns / kNanos;
  std::int64_t nanos = mtime_ns % kNanos;
  if (nanos < 0) {  // before 1970: round towards the past
    nanos += kNanos;
    --seconds;
  }
  archive_entry_set_mtime(header, static_cast<time_t>(seconds), static_cast<long>(nanos));
}

unsigned FileType(EntryType type) {
  switch (type) {
    case EntryType::kFile:
    case EntryType::kHardlink:
      return AE_IFREG;
    case EntryType::kDirectory:
      return AE_IFDIR;
    case EntryType::kSymlink:
      return AE_IFLNK;
    case EntryType::kFifo:
      return AE_IFIFO;
    case EntryType::kCharacterDevice:
      return AE_IFCHR;
    case EntryType::kBlockDevice:
      return AE_IFBLK;
    case EntryType::kSocket:
      break;
  }
  return 0;
}

}  // namespace

struct ArchiveWriter::Impl {
  ByteSink sink;
  archive* handle = nullptr;
  absl::Status sink_status;
  std::string current;
  std::uint64_t promised = 0;
  std::uint64_t written = 0;

  ~Impl() {
    if (handle != nullptr) archive_write_free(handle);
  }

  static la_ssize_t Take(archive* handle, void* data, const void* bytes, std::size_t size) {
    auto* self = static_cast<Impl*>(data);
    self->sink_status = self->sink({static_cast<const char*>(bytes), size});
    if (self->sink_status.ok()) return static_cast<la_ssize_t>(size);
    archive_set_error(handle, EIO, "the output refused the bytes");
    return -1;
  }

  // The sink's own error is the cause; libarchive's text is only its echo.
  absl::Status Failure(std::string_view what) const {
    if (!sink_status.ok()) return sink_status;
    const char* text = archive_error_string(handle);
    return Error(ErrorKind::kFailed, 1220,
                 fmt::format("unable to {} '{}' in the archive: {}", what, Escaped(current),
                             text == nullptr ? "unknown cause" : text));
  }

  absl::Status WriteHeader(archive_entry* header) {
    written = 0;
    if (archive_write_header(handle, header) == ARCHIVE_OK) return absl::OkStatus();
    return Failure("begin");
  }
};

ArchiveWriter::ArchiveWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ArchiveWriter::~ArchiveWriter() = default;

absl::StatusOr<std::unique_ptr<ArchiveWriter>> ArchiveWriter::Open(Compression compression,
                                                                   ByteSink sink) {
  auto impl = std::make_unique<Impl>();
  impl->sink = std::move(sink);
  impl->handle = archive_write_new();
  HOLDFAST_CHECK(impl->handle != nullptr);
  archive* handle = impl->handle;
  bool ok = archive_write_set_format_pax_restricted(handle) == ARCHIVE_OK &&
            archive_write_set_format_option(handle, "pax", "hdrcharset", "BINARY") == ARCHIVE_OK;
  if (compression == Compression::kGzip) {
    ok = ok && archive_write_add_filter_gzip(handle) == ARCHIVE_OK &&
         archive_write_set_filter_option(handle, "gzip", "timestamp", nullptr) == ARCHIVE_OK;
  }
  ok = ok && archive_write_open2(handle, impl.get(), nullptr, &Impl::Take, nullptr, nullptr) ==
                 ARCHIVE_OK;
  if (!ok) return impl->Failure("open");
  return std::unique_ptr<ArchiveWriter>(new ArchiveWriter(std::move(impl)));
}

absl::Status ArchiveWriter::BeginFile(const File& file) {
  const EntryHandle header(archive_entry_new(), archive_entry_free);
  impl_->current = file.path;
  impl_->promised = file.size_bytes;
  archive_entry_set_pathname(header.get(), file.path.c_str());
  archive_entry_set_filetype(header.get(), AE_IFREG);
  archive_entry_set_perm(header.get(), 0600);
  archive_entry_set_size(header.get(), static_cast<la_int64_t>(file.size_bytes));
  SetTime(header.get(), file.mtime_ns);
  return impl_->WriteHeader(header.get());
}

absl::Status ArchiveWriter::BeginEntry(const std::string& path, const Entry& entry,
                                       const std::string& link_prefix) {
  impl_->current = path;
  if (entry.type == EntryType::kSocket) {
    return Error(
        ErrorKind::kUsage, 1221,
        fmt::format("unable to put '{}' into a tar archive: it is a socket", Escaped(path)));
  }
  const EntryHandle handle(archive_entry_new(), archive_entry_free);
  archive_entry* header = handle.get();
  impl_->promised = entry.type == EntryType::kFile ? entry.size_bytes : 0;
  archive_entry_set_pathname(header, path.c_str());
  archive_entry_set_filetype(header, FileType(entry.type));
  archive_entry_set_perm(header, static_cast<__LA_MODE_T>(entry.mode & 07777));
  archive_entry_set_uid(header, entry.user_id);
  archive_entry_set_gid(header, entry.group_id);
  if (!entry.user_name.empty()) archive_entry_set_uname(header, entry.user_name.c_str());
  if (!entry.group_name.empty()) archive_entry_set_gname(header, entry.group_name.c_str());
  SetTime(header, entry.mtime_ns);
  archive_entry_set_size(header, static_cast<la_int64_t>(impl_->promised));
  if (entry.type == EntryType::kSymlink) {
    archive_entry_set_symlink(header, entry.link_target.c_str());
  }
  if (entry.type == EntryType::kHardlink) {
    archive_entry_set_hardlink(header, (link_prefix + entry.link_target).c_str());
  }
  if (entry.type == EntryType::kCharacterDevice || entry.type == EntryType::kBlockDevice) {
    archive_entry_set_rdev(header, static_cast<dev_t>(entry.device));
  }
  for (const auto& [name, value] : entry.xattrs) {
    archive_entry_xattr_add_entry(header, name.c_str(), value.data(), value.size());
  }
  return impl_->WriteHeader(header);
}

absl::Status ArchiveWriter::Write(ByteView bytes) {
  if (bytes.size() > impl_->promised - impl_->written) {
    return Error(ErrorKind::kIntegrity, 1222,
                 fmt::format("unable to write '{}' into the archive: it has more bytes than its "
                             "entry says",
                             Escaped(impl_->current)));
  }
  while (!bytes.empty()) {
    const la_ssize_t taken = archive_write_data(impl_->handle, bytes.data(), bytes.size());
    if (taken <= 0) return impl_->Failure("write");
    impl_->written += static_cast<std::uint64_t>(taken);
    bytes.remove_prefix(static_cast<std::size_t>(taken));
  }
  return absl::OkStatus();
}

absl::Status ArchiveWriter::EndFile() {
  if (impl_->written != impl_->promised) {
    return Error(ErrorKind::kIntegrity, 1222,
                 fmt::format("unable to write '{}' into the archive: it ended after {} of {} bytes",
                             Escaped(impl_->current), impl_->written, impl_->promised));
  }
  if (archive_write_finish_entry(impl_->handle) == ARCHIVE_OK) return absl::OkStatus();
  return impl_->Failure("end");
}

absl::Status ArchiveWriter::Close() {
  if (archive_write_close(impl_->handle) == ARCHIVE_OK) return absl::OkStatus();
  return impl_->Failure("close");
}

}  // namespace holdfast::cli
