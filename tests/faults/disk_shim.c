/* Faults of the disk and crashes at a chosen call, for processes started with LD_PRELOAD.
 *
 * FAULTS_ROOT is the directory whose files are watched, FAULTS_COPY the directory that keeps what
 * was synced, FAULTS_CONTROL a file of 64-bit words shared with the campaign:
 *   0 microseconds each sync takes longer    1 syncs that fail with EIO    2 writes fail with ENOSPC
 *   3 calls until the process ends, 0 never
 *   4 what a sync copies: 1 the whole file, 2 what this process wrote since the last one
 *   5 syncs seen                             6 calls that failed on purpose
 * FAULTS_PORT is the TCP port of the database: calls on its sockets count for word 3 as well.
 *
 * A power cut leaves what was synced and nothing else: each sync copies its file, renames and
 * deletions are repeated in the copy, and the campaign goes on with the copy.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { WHOLE = 1, WRITTEN = 2, FILES = 64 };
enum { DELAY, EIO_LEFT, NO_SPACE, CRASH_IN, KEEP, SYNCS, FAILED, WORDS };

static volatile int64_t *control;
static char root[PATH_MAX], copy[PATH_MAX];
static size_t root_length;
static int port;
static pthread_mutex_t copying = PTHREAD_MUTEX_INITIALIZER;

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_recv)(int, void *, size_t, int);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_mkdir)(const char *, mode_t);

void begin_faults(void);

__attribute__((constructor)) static void begin(void) {
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_send = dlsym(RTLD_NEXT, "send");
    real_recv = dlsym(RTLD_NEXT, "recv");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_mkdir = dlsym(RTLD_NEXT, "mkdir");
    begin_faults();
}

/* Called again in a child that was forked under other settings. */
void begin_faults(void) {
    const char *name = getenv("FAULTS_CONTROL");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *page = mmap(NULL, WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page == MAP_FAILED) return;
    snprintf(root, sizeof root, "%s", getenv("FAULTS_ROOT"));
    snprintf(copy, sizeof copy, "%s", getenv("FAULTS_COPY"));
    root_length = strlen(root);
    port = getenv("FAULTS_PORT") ? atoi(getenv("FAULTS_PORT")) : 0;
    control = page;
}

/* The path under the root, or NULL. */
static const char *inside(const char *path) {
    if (strncmp(path, root, root_length) || path[root_length] != '/') return NULL;
    return path + root_length;
}

/* The name in the copy of a path, relative ones too; 0 if it is not under the root. */
static int name_in_copy(const char *path, char *name, size_t size) {
    char whole[PATH_MAX * 2];
    char here[PATH_MAX];
    if (!control || !control[KEEP]) return 0;
    if (path[0] != '/') {
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(whole, sizeof whole, "%s/%s", here, path[0] == '.' && path[1] == '/' ? path + 2 : path);
        path = whole;
    }
    const char *found = inside(path);
    if (found) snprintf(name, size, "%s%s", copy, found);
    return found != NULL;
}

static const char *watched(int fd, char *path) {
    char link[64];
    if (!control) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    return strstr(path, " (deleted)") ? NULL : inside(path);
}

/* One of the calls a process may end at; counted before and after it is done. */
static void step(void) {
    if (control[CRASH_IN] > 0 && __sync_sub_and_fetch(&control[CRASH_IN], 1) == 0) {
        __sync_fetch_and_add(&control[FAILED], 1);
        _exit(137);
    }
}

/* What was written since the last sync of each file. */
static struct { ino_t file; off_t first, end; } written[FILES];

static void note(int fd, off_t at, ssize_t length) {
    struct stat found;
    if (control[KEEP] != WRITTEN || length <= 0 || fstat(fd, &found)) return;
    pthread_mutex_lock(&copying);
    int place = 0;
    while (place < FILES && written[place].file && written[place].file != found.st_ino) place++;
    if (place == FILES) abort();
    if (!written[place].file || written[place].first == written[place].end) {
        written[place].file = found.st_ino;
        written[place].first = at;
        written[place].end = at + length;
    }
    if (at < written[place].first) written[place].first = at;
    if (at + length > written[place].end) written[place].end = at + length;
    pthread_mutex_unlock(&copying);
}

static void keep(int fd, const char *path) {
    struct stat found;
    char to[PATH_MAX * 2], part[65536];
    if (!control[KEEP] || fstat(fd, &found) || !S_ISREG(found.st_mode)) return;
    snprintf(to, sizeof to, "%s%s", copy, path);
    char from[64];
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    pthread_mutex_lock(&copying);
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ssize_t length;
    off_t at = 0, end = found.st_size;
    for (int place = 0; control[KEEP] == WRITTEN && place < FILES; place++)
        if (written[place].file == found.st_ino) {
            at = written[place].first;
            if (written[place].end < end) end = written[place].end;
            written[place].first = written[place].end = 0;
        }
    while (in >= 0 && out >= 0 && at < end) {
        size_t most = end - at < (off_t)sizeof part ? (size_t)(end - at) : sizeof part;
        if ((length = pread(in, part, most, at)) <= 0) break;
        if (real_pwrite(out, part, length, at) != length) abort();
        at += length;
    }
    if (out >= 0 && ftruncate(out, found.st_size)) abort();
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    pthread_mutex_unlock(&copying);
}

static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    const char *name = watched(fd, path);
    if (!name) return real(fd);
    __sync_fetch_and_add(&control[SYNCS], 1);
    step();
    if (control[EIO_LEFT] > 0 && __sync_fetch_and_sub(&control[EIO_LEFT], 1) > 0) {
        __sync_fetch_and_add(&control[FAILED], 1);
        errno = EIO;
        return -1;
    }
    if (control[DELAY]) usleep(control[DELAY]);
    int result = real(fd);
    if (!result) keep(fd, name);
    step();
    return result;
}

int fsync(int fd) { return synced(fd, real_fsync); }
int fdatasync(int fd) { return synced(fd, real_fdatasync); }

static int is_full(int fd, int *counts) {
    char path[PATH_MAX];
    *counts = 0;
    if (!control || !(control[NO_SPACE] || control[CRASH_IN] || control[KEEP] == WRITTEN)) return 0;
    if (!watched(fd, path)) return 0;
    *counts = 1;
    step();
    if (!control[NO_SPACE]) return 0;
    __sync_fetch_and_add(&control[FAILED], 1);
    errno = ENOSPC;
    return 1;
}

static ssize_t pwritten(int fd, const void *data, size_t length, off_t at) {
    int counts;
    if (is_full(fd, &counts)) return -1;
    ssize_t result = real_pwrite(fd, data, length, at);
    if (counts) note(fd, at, result);
    if (counts) step();
    return result;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
    return pwritten(fd, data, length, at);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) {
    return pwritten(fd, data, length, at);
}

ssize_t write(int fd, const void *data, size_t length) {
    int counts;
    if (is_full(fd, &counts)) return -1;
    ssize_t result = real_write(fd, data, length);
    if (counts) step();
    return result;
}

static int to_database(int fd) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    return control && control[CRASH_IN] > 0 && port
        && !getpeername(fd, (struct sockaddr *)&peer, &size) && peer.sin_family == AF_INET
        && ntohs(peer.sin_port) == port;
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
    int counts = to_database(fd);
    if (counts) step();
    ssize_t result = real_send(fd, data, length, flags);
    if (counts) step();
    return result;
}

ssize_t recv(int fd, void *data, size_t length, int flags) {
    ssize_t result = real_recv(fd, data, length, flags);
    if (result > 0 && to_database(fd)) step();
    return result;
}

int rename(const char *from, const char *to) {
    char old[PATH_MAX * 2], new[PATH_MAX * 2];
    int kept = name_in_copy(from, old, sizeof old) && name_in_copy(to, new, sizeof new);
    int result = real_rename(from, to);
    if (!result && kept) real_rename(old, new);
    return result;
}

int unlink(const char *path) {
    char gone[PATH_MAX * 2];
    int result = real_unlink(path);
    if (!result && name_in_copy(path, gone, sizeof gone)) real_unlink(gone);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    char made[PATH_MAX * 2];
    int result = real_mkdir(path, mode);
    if (!result && name_in_copy(path, made, sizeof made)) real_mkdir(made, mode);
    return result;
}
