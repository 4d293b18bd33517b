#include "runtime/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum e2b_status map_open(
    int fd, const char *path, struct e2b_file *out, struct e2b_error *err) {
    struct stat info;
    if (fstat(fd, &info))
        return e2b_fail_code(err, E2B_IO, errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return e2b_fail(err, E2B_INVALID, "%s: is not a regular file", path);
    if (info.st_size == 0)
        return E2B_OK;
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return e2b_fail_code(err, E2B_IO, errno, "%s: cannot map: %s", path, strerror(errno));
    *out = (struct e2b_file){data, (size_t)info.st_size};
    return E2B_OK;
}

enum e2b_status e2b_file_map(const char *path, struct e2b_file *out, struct e2b_error *err) {
    *out = (struct e2b_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return e2b_fail_code(
            err, errno == ENOENT ? E2B_NOT_FOUND : E2B_IO, errno, "%s: %s", path, strerror(errno));
    enum e2b_status status = map_open(fd, path, out, err);
    close(fd);
    return status;
}

void e2b_file_unmap(struct e2b_file *file) {
    if (file->data)
        munmap((void *)file->data, file->bytes);
    *file = (struct e2b_file){0};
}

static void version_of(const struct stat *info, struct e2b_file_version *out) {
    *out = (struct e2b_file_version){
        .device = info->st_dev,
        .node = info->st_ino,
        .bytes = info->st_size,
        .changed_ns = (int64_t)info->st_mtim.tv_sec * 1000000000 + info->st_mtim.tv_nsec,
    };
}

enum e2b_status e2b_file_version(
    const char *path, struct e2b_file_version *out, struct e2b_error *err) {
    struct stat info;
    if (stat(path, &info))
        return e2b_fail_code(
            err, errno == ENOENT ? E2B_NOT_FOUND : E2B_IO, errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return e2b_fail(err, E2B_INVALID, "%s: is not a regular file", path);
    version_of(&info, out);
    return E2B_OK;
}

static bool is_version(int fd, const struct e2b_file_version *version) {
    struct stat info;
    struct e2b_file_version now;
    if (fstat(fd, &info))
        return false;
    version_of(&info, &now);
    return now.device == version->device && now.node == version->node && now.bytes == version->bytes
        && now.changed_ns == version->changed_ns;
}

static enum e2b_status read_all(
    int fd, const char *path, int64_t offset, char *to, size_t count, struct e2b_error *err) {
    while (count) {
        ssize_t got = pread(fd, to, count, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return e2b_fail_code(err, E2B_IO, got ? errno : 0, "%s: cannot read: %s", path,
                got ? strerror(errno) : "it ends too early");
        to += got;
        offset += got;
        count -= (size_t)got;
    }
    return E2B_OK;
}

enum e2b_status e2b_file_read(const char *path, const struct e2b_file_version *version,
    int64_t offset, void *to, size_t count, struct e2b_error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return e2b_fail_code(
            err, errno == ENOENT ? E2B_NOT_FOUND : E2B_IO, errno, "%s: %s", path, strerror(errno));
    if (is_version(fd, version))
        read_all(fd, path, offset, to, count, err);
    else
        e2b_fail(err, E2B_IO, "%s: the file was changed while it was in use", path);
    close(fd);
    return err->status;
}

static bool write_all(int fd, const char *data, size_t bytes) {
    while (bytes) {
        ssize_t written = write(fd, data, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written;
        bytes -= (size_t)written;
    }
    return true;
}

/* Not mkstemp: the file gets the mode that the user's umask asks for. */
static int open_temporary(const char *path, char *name, size_t capacity) {
    static atomic_uint serial;
    for (int attempt = 0; attempt < 100; attempt++) {
        int len = snprintf(
            name, capacity, "%s.%ld.%u.tmp", path, (long)getpid(), atomic_fetch_add(&serial, 1));
        if (len < 0 || (size_t)len >= capacity) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

enum e2b_status e2b_file_replace(
    const char *path, const void *data, size_t bytes, struct e2b_error *err) {
    char name[PATH_MAX];
    int fd = open_temporary(path, name, sizeof name);
    if (fd < 0)
        return e2b_fail_code(err, E2B_IO, errno, "%s: cannot write: %s", path, strerror(errno));
    bool written = write_all(fd, data, bytes) && fsync(fd) == 0;
    int code = errno;
    if (close(fd) && written) {
        written = false;
        code = errno;
    }
    if (written && rename(name, path) == 0)
        return E2B_OK;
    if (written)
        code = errno;
    unlink(name);
    return e2b_fail_code(err, E2B_IO, code, "%s: cannot write: %s", path, strerror(code));
}

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum e2b_status e2b_file_make_folder(const char *path, struct e2b_error *err) {
    char partial[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof partial)
        return e2b_fail(err, E2B_INVALID, "\"%.100s\": a folder's path has 1..%zu bytes", path,
            sizeof partial - 1);
    memcpy(partial, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (partial[i] != '/' && partial[i] != '\0')
            continue;
        char kept = partial[i];
        partial[i] = '\0';
        if (mkdir(partial, 0777) && !is_folder(partial)) {
            int code = errno == EEXIST ? ENOTDIR : errno;
            return e2b_fail_code(
                err, E2B_IO, code, "%s: cannot make the folder: %s", partial, strerror(code));
        }
        partial[i] = kept;
    }
    return E2B_OK;
}

void e2b_file_user_cache(const char *name, char *out, size_t capacity) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int len = 0;
    if (cache && cache[0] == '/') /* a relative one is to be ignored, says the standard */
        len = snprintf(out, capacity, "%s/%s", cache, name);
    else if (home && home[0] == '/')
        len = snprintf(out, capacity, "%s/.cache/%s", home, name);
    if (capacity && (len <= 0 || (size_t)len >= capacity))
        out[0] = '\0';
}

void e2b_file_cache_folder(const char *configured, char *out, size_t capacity) {
    if (!configured || !configured[0])
        e2b_file_user_cache("e2bird", out, capacity);
    else if (strlen(configured) < capacity)
        strcpy(out, configured);
    else if (capacity)
        out[0] = '\0';
}
