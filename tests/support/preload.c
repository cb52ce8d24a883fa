/*
 * Lets another process's writes fail: loaded with LD_PRELOAD, it counts the calls that change a file whose path
 * contains FAULT_PATH, and from number FAULT_AT on (1 is the first, 0 or unset: never), up to FAULT_UNTIL if that is set,
 * does what FAULT_MODE says:
 *
 *   enospc, eio   the call fails
 *   kill          the process is killed before the call
 *   torn          a write puts down its first half, then the process is killed
 *
 * At a regular exit the number of calls is written to the file FAULT_COUNT; fault_count() returns it at any time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long counted;

static int concerns(int fd)
{
    const char *wanted = getenv("FAULT_PATH");
    char link[64], path[4096];
    ssize_t length;
    int saved = errno;

    if (!wanted || !*wanted)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length <= 0)
        return 0;
    path[length] = 0;
    return strstr(path, wanted) != NULL;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* 0: go on; 1: fail with errno set; 2: tear this write, then die */
static int fault(int fd, int is_write)
{
    const char *at = getenv("FAULT_AT"), *mode = getenv("FAULT_MODE");
    const char *until = getenv("FAULT_UNTIL");
    long number, first = at ? atol(at) : 0, last = until ? atol(until) : 0;

    if (!concerns(fd))
        return 0;
    number = __sync_add_and_fetch(&counted, 1);
    if (first <= 0 || number < first || (last > 0 && number > last) || !mode)
        return 0;
    if (!strcmp(mode, "enospc")) {
        errno = ENOSPC;
        return 1;
    }
    if (!strcmp(mode, "eio")) {
        errno = EIO;
        return 1;
    }
    if (!strcmp(mode, "torn") && is_write)
        return 2;
    die();
    return 1;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size)
{
    REAL(write);
    switch (fault(fd, 1)) {
    case 1: return -1;
    case 2: (void)!real(fd, data, size / 2); die();
    }
    return real(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    REAL(pwrite);
    switch (fault(fd, 1)) {
    case 1: return -1;
    case 2: (void)!real(fd, data, size / 2, offset); die();
    }
    return real(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    REAL(pwrite64);
    switch (fault(fd, 1)) {
    case 1: return -1;
    case 2: (void)!real(fd, data, size / 2, offset); die();
    }
    return real(fd, data, size, offset);
}

int fsync(int fd)
{
    REAL(fsync);
    return fault(fd, 0) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return fault(fd, 0) ? -1 : real(fd);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    return fault(fd, 0) ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64);
    return fault(fd, 0) ? -1 : real(fd, size);
}

long fault_count(void)
{
    return counted;
}

__attribute__((destructor)) static void report(void)
{
    const char *name = getenv("FAULT_COUNT");
    FILE *file = name && *name ? fopen(name, "w") : NULL;

    if (file) {
        fprintf(file, "%ld\n", counted);
        fclose(file);
    }
}
